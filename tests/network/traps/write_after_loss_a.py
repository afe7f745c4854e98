"""After the loss of the connection reading, writing and notifying raise a TypeError."""

import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    service = aioble.Service(U)
    both = aioble.Characteristic(service, C, read=True, write=True, notify=True)
    aioble.register_services(service)
    connection = await aioble.advertise(100_000)
    await connection.disconnected()
    try:
        both.notify(connection, b"x")
    except TypeError:
        print("notify: TypeError")


asyncio.run(main())
