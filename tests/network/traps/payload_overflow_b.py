import asyncio

import aioble


async def main():
    async with aioble.scan(2_000, 30_000, 30_000, active=True) as scanner:
        async for result in scanner:
            print(result, result.connectable, result.name(), result.adv_data, result.resp_data)
            print(list(result.services()), list(result.manufacturer()), list(result.manufacturer(8)))
    await asyncio.sleep_ms(2_000)
    async with aioble.scan(1_000, 30_000, 30_000) as scanner:
        async for result in scanner:
            print(result.name(), result.adv_data)


asyncio.run(main())
