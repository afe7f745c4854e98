"""written() goes on waiting when the connection is lost; connection.timeout() ends it."""

import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    service = aioble.Service(U)
    written = aioble.Characteristic(service, C, write=True)
    aioble.register_services(service)
    for guarded in (False, True):
        connection = await aioble.advertise(100_000)
        try:
            if guarded:
                with connection.timeout(20_000):
                    await written.written()
            else:
                await written.written(timeout_ms=20_000)
        except asyncio.TimeoutError:
            print("20 s later:", connection.is_connected())
        except aioble.DeviceDisconnectedError:
            print("at once:", connection.is_connected())


asyncio.run(main())
