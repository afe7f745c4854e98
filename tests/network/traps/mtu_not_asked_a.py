"""Without exchange_mtu() a packet carries 20 bytes, and a longer notification is cut off in silence."""

import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    service = aioble.Service(U)
    told = aioble.Characteristic(service, C, notify=True)
    aioble.register_services(service)
    connection = await aioble.advertise(100_000)
    for _ in range(2):
        await asyncio.sleep_ms(3_000)
        told.notify(connection, b"0123456789" * 5)
    print("mtu", connection.mtu)


asyncio.run(main())
