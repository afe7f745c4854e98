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
    await asyncio.sleep_ms(2_000)
    await remote.subscribe()
    await asyncio.sleep_ms(2_000)
    for _ in range(3):
        try:
            print(await remote.notified(timeout_ms=4_000))
        except asyncio.TimeoutError:
            print("nothing more")


asyncio.run(main())
