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
    for number in range(25):
        await remote.write(b"%d" % number, response=True)
    print("all 25 were acknowledged")
    await connection.disconnect()


asyncio.run(main())
