"""A write that waits for its response when the connection is lost raises DeviceDisconnectedError."""

import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    service = aioble.Service(U)
    aioble.Characteristic(service, C, write=True)
    aioble.register_services(service)
    await aioble.advertise(100_000)
    print("connected")


asyncio.run(main())
