"""capture=True keeps ten writes, and one that waits to be read; newer ones push older ones out."""

import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    service = aioble.Service(U)
    written = aioble.Characteristic(service, C, write=True, capture=True)
    aioble.register_services(service)
    connection = await aioble.advertise(100_000)
    await connection.disconnected()
    while True:
        who, data = await written.written(timeout_ms=1_000)
        print("got", data, who is connection)


async def safe():
    try:
        await main()
    except asyncio.TimeoutError:
        print("no more")


asyncio.run(safe())
