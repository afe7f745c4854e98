import asyncio

import aioble

A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def main():
    for _ in range(2):
        connection = await aioble.Device(aioble.ADDR_PUBLIC, A).connect(30_000, 30_000)
        await asyncio.sleep_ms(1_000)
        await connection.disconnect()
        print("gone", connection.is_connected())


asyncio.run(main())
