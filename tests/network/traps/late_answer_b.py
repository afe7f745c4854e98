"""The response to a write that timed out ends the next write, which then fails although it arrives."""

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
    for data in (b"first", b"second"):
        try:
            await remote.write(data, response=True, timeout_ms=5)
        except asyncio.TimeoutError:
            print("timed out")
        except aioble.GattError as error:
            print("status", error._status)
        await asyncio.sleep_ms(1_000)


asyncio.run(main())
