"""A scan that the controller refuses stays in the way: the next one waits for its end for ever."""

import asyncio

import aioble

A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def scan():
    async with aioble.scan(100):
        return "scanned"


async def main():
    try:
        await aioble.Device(aioble.ADDR_PUBLIC, A).connect(timeout_ms=500)
    except asyncio.TimeoutError:
        print("not connected")
    try:
        print(await scan())
    except OSError as error:
        print("refused", error.args)
    await asyncio.sleep_ms(3_000)
    try:
        print(await asyncio.wait_for_ms(scan(), 10_000))
    except asyncio.TimeoutError:
        print("waited in vain")


asyncio.run(main())
