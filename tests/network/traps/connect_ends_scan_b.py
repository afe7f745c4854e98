"""connect() ends a scan of aioble's own in silence; against another scan it is refused."""

import asyncio

import aioble
import bluetooth


async def main():
    heard = 0
    async with aioble.scan(20_000, 30_000, 30_000, active=True) as scanner:
        async for result in scanner:
            heard += 1
            connection = await result.device.connect()
            print(result.name(), connection.is_connected())
    print("the scan ended after", heard)
    await connection.disconnect()
    bluetooth.BLE().gap_scan(20_000)
    try:
        await aioble.Device(result.device.addr_type, result.device.addr).connect(timeout_ms=2_000)
    except OSError as error:
        print("refused", error.args)


asyncio.run(main())
