"""Discovery ignores its time limit and the loss of the connection."""

import asyncio
import time

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)
A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def main():
    connection = await aioble.Device(aioble.ADDR_PUBLIC, A).connect()
    await asyncio.sleep_ms(3_000)
    began = time.ticks_ms()
    try:
        await asyncio.wait_for_ms(connection.service(U, timeout_ms=500), 20_000)
    except asyncio.TimeoutError:
        print("after", time.ticks_diff(time.ticks_ms(), began) // 1_000, "s:", connection.is_connected())


asyncio.run(main())
