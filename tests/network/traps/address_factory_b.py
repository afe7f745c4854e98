import asyncio

import aioble


async def main():
    async with aioble.scan(4_500, 30_000, 30_000) as scanner:
        async for result in scanner:
            print(result)


asyncio.run(main())
