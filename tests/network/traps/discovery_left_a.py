import asyncio

import aioble
import bluetooth


async def main():
    services = [aioble.Service(bluetooth.UUID(number)) for number in (1, 2, 3)]
    aioble.register_services(*services)
    await aioble.advertise(100_000)
    print("connected")


asyncio.run(main())
