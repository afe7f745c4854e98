import asyncio

import aioble


async def main():
    while True:
        connection = await aioble.advertise(100_000, name="x")
        print("connected")
        await connection.disconnected()


asyncio.run(main())
