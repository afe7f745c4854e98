import asyncio

import aioble


async def main():
    async with aioble.scan(10_000, 30_000, 30_000) as scanner:
        async for _ in scanner:
            pass
        print("kept", len(scanner._results))


asyncio.run(main())
