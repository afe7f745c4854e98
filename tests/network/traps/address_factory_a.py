"""The factory address is on the air until a random one is chosen."""

import asyncio

import aioble
import machine


async def main():
    for mode in (None, 3):
        if mode is not None:
            aioble.config(addr_mode=mode)
        kind, address = aioble.config("mac")
        print(kind, "the factory's" if bytes(address) == machine.unique_id() else "another")
        try:
            await aioble.advertise(50_000, connectable=False, timeout_ms=2_000)
        except asyncio.TimeoutError:
            pass


asyncio.run(main())
