import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    service = aioble.Service(U)
    written = aioble.Characteristic(service, C, write=True, capture=True)
    aioble.register_services(service)
    await aioble.advertise(100_000)
    for _ in range(2):
        print("got", (await written.written())[1])


asyncio.run(main())
