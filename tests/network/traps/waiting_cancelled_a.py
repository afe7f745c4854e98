"""Who waits for disconnected() with a time limit stops the only one that notices the disconnection."""

import asyncio

import aioble


async def main():
    connection = await aioble.advertise(100_000)
    try:
        await connection.disconnected(timeout_ms=500)
    except asyncio.TimeoutError:
        print("still there:", connection.is_connected())
    await asyncio.sleep_ms(5_000)
    print("gone for long, but:", connection.is_connected())
    try:
        await connection.disconnect()
    except asyncio.CancelledError:
        print("cancelled, though nobody cancelled")


asyncio.run(main())
