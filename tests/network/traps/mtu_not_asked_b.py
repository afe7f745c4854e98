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
    await remote.subscribe()
    print("mtu", connection.mtu)
    print(len(await remote.notified()))
    print("mtu", await connection.exchange_mtu(100))
    print(len(await remote.notified()))


asyncio.run(main())
