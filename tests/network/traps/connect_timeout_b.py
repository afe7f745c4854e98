"""A connect() that timed out goes on in the controller, and connects when nobody waits for it."""

import asyncio

import aioble

A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def attempt(device):
    try:
        connection = await device.connect(timeout_ms=500)
        print("a connection,", "open" if connection.is_connected() else "not open")
    except (OSError, asyncio.TimeoutError) as error:
        print(type(error).__name__, error.args)


async def main():
    device = aioble.Device(aioble.ADDR_PUBLIC, A)
    await attempt(device)
    await attempt(device)
    await attempt(aioble.Device(aioble.ADDR_PUBLIC, A))
    await asyncio.sleep_ms(3_000)
    await attempt(device)


asyncio.run(main())
