"""There is no argument for service data: it goes into adv_data by hand."""

import asyncio

import aioble


async def main():
    try:
        await aioble.advertise(100_000, service_data=b"x", timeout_ms=100)
    except TypeError:
        print("TypeError")
    try:
        await aioble.advertise(100_000, adv_data=b"\x04\x16\x34\x12x", timeout_ms=2_000)
    except asyncio.TimeoutError:
        print("advertised")


asyncio.run(main())
