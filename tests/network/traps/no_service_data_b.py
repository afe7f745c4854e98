import asyncio

import aioble


async def main():
    async with aioble.scan(2_000, 30_000, 30_000) as scanner:
        async for result in scanner:
            print(result.adv_data, list(result.services()))


asyncio.run(main())
