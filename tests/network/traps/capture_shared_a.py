"""All capturing characteristics share one queue: one that nobody reads holds up the others."""

import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    service = aioble.Service(U)
    unread = aioble.Characteristic(service, bluetooth.UUID(0x1236), write=True, capture=True)
    written = aioble.Characteristic(service, C, write=True, capture=True)
    aioble.register_services(service)
    await aioble.advertise(100_000)
    try:
        print("got", (await written.written(timeout_ms=5_000))[1])
    except asyncio.TimeoutError:
        print("nothing came")
    print("unread:", (await unread.written())[1])
    print("then:", (await written.written())[1])


asyncio.run(main())
