import asyncio

import aioble


async def listen(duration_ms):
    heard = 0
    async with aioble.scan(duration_ms, 30_000, 30_000) as scanner:
        async for _ in scanner:
            heard += 1
    print("heard", heard)


async def main():
    await listen(1_000)
    await asyncio.sleep_ms(2_000)
    await listen(1_000)


asyncio.run(main())
