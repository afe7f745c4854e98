import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)
A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def main():
    connection = await aioble.Device(aioble.ADDR_PUBLIC, A).connect()
    service = await connection.service(U)
    for uuid in (bluetooth.UUID(0x1236), C):
        remote = await service.characteristic(uuid)
        await remote.write(b"hello", response=True)
    print("both were acknowledged")


asyncio.run(main())
