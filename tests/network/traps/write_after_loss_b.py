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
    await remote.write(b"x", response=True)
    print("written")
    await connection.disconnected()
    for call in (remote.write(b"x"), remote.read(), remote.subscribe(), connection.service(U)):
        try:
            await call
        except TypeError:
            print("TypeError")
        except ValueError as error:
            print("ValueError", error)
    try:
        await connection.exchange_mtu()
    except ValueError as error:
        print("ValueError", error)


asyncio.run(main())
