import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)
A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def main():
    connection = await aioble.Device(aioble.ADDR_PUBLIC, A).connect()
    print(connection.device, await connection.exchange_mtu(64))
    service = await connection.service(U)
    remote = {}
    async for characteristic in service.characteristics():
        print(characteristic)
        remote[bytes(characteristic.uuid)[0]] = characteristic
    async for descriptor in remote[0x35].descriptors():
        print(descriptor)
    print(await remote[0x35].read())
    try:
        await remote[0x35].read()
    except aioble.GattError as error:
        print("status", error._status)
    print(await (await remote[0x35].descriptor(bluetooth.UUID(0x2901))).read())
    try:
        await remote[0x35].write(b"x")
    except ValueError as error:
        print(error)
    await remote[0x36].subscribe(notify=True, indicate=True)
    await remote[0x37].write(b"one ")
    await asyncio.sleep_ms(500)
    await remote[0x37].write(b"two", response=True)
    print(await remote[0x36].indicated(timeout_ms=2_000))
    print(await remote[0x36].notified(timeout_ms=2_000))
    print(await remote[0x36].notified(timeout_ms=2_000))
    await connection.disconnected()
    print("gone", connection.is_connected())


asyncio.run(main())
