"""A new address while advertising, scanning or connecting is refused, and nothing says so."""

import asyncio

import aioble


async def attempt(what):
    before = aioble.config("mac")
    aioble.config(addr_mode=3)
    print(what, "changed" if aioble.config("mac") != before else "as before")


async def main():
    await attempt("idle")
    task = asyncio.create_task(aioble.advertise(100_000))
    await asyncio.sleep_ms(100)
    await attempt("advertising")
    task.cancel()
    await task
    async with aioble.scan(1_000):
        await attempt("scanning")
    try:
        await aioble.Device(aioble.ADDR_PUBLIC, b"nobody").connect(timeout_ms=100)
    except asyncio.TimeoutError:
        await attempt("connecting, timed out")
    await asyncio.sleep_ms(3_000)
    await attempt("idle")


asyncio.run(main())
