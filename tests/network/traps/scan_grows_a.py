"""A scan keeps every address that it ever heard."""

import asyncio

import aioble


async def main():
    for _ in range(30):
        aioble.config(addr_mode=3)
        try:
            await aioble.advertise(20_000, connectable=False, timeout_ms=200)
        except asyncio.TimeoutError:
            pass


asyncio.run(main())
