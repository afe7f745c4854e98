import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    aioble.register_services(aioble.Service(U))
    await aioble.advertise(100_000)
    print("connected")


asyncio.run(main())
