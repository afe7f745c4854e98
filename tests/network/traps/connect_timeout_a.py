import asyncio

import aioble


async def main():
    await asyncio.sleep_ms(1_500)
    connection = await aioble.advertise(100_000, name="x")
    print("somebody called", connection.device)
    print("connected", connection.is_connected())


asyncio.run(main())
