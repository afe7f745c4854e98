import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)
A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def main():
    connection = await aioble.Device(aioble.ADDR_PUBLIC, A).connect()
    service = await connection.service(U)
    remote = await service.characteristic(C)
    await asyncio.sleep_ms(4_000)
    try:
        await remote.write(b"x", response=True, timeout_ms=60_000)
    except aioble.DeviceDisconnectedError:
        print("lost", connection.is_connected())


asyncio.run(main())
