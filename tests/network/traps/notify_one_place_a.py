"""notified() has one place: of a burst the last one stays, and what comes before subscribe() is dropped."""

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
    await asyncio.sleep_ms(1_000)
    told.notify(connection, b"early")
    await asyncio.sleep_ms(2_000)
    for number in range(5):
        told.notify(connection, b"%d" % number)
    await asyncio.sleep_ms(2_000)
    told.notify(connection, b"last")


asyncio.run(main())
