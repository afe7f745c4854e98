"""advertise() takes a cancellation for the end of advertising, stops, and gives None."""

import asyncio

import aioble


async def main():
    task = asyncio.create_task(aioble.advertise(100_000, name="x"))
    await asyncio.sleep_ms(2_000)
    task.cancel()
    print("advertise gave", await task)


asyncio.run(main())
