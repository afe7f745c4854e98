import asyncio

import aioble

A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def main():
    connection = await aioble.Device(aioble.ADDR_PUBLIC, A).connect()
    await asyncio.sleep_ms(2_000)
    await connection.disconnect()
    print("hung up", connection.is_connected())


asyncio.run(main())
