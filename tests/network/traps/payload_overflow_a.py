"""What does not fit into 30 bytes goes to the scan response, and then nowhere."""

import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


async def main():
    uuid = bluetooth.UUID("8d1f0001-6c0b-4b6e-9d5a-0e5f4c7a51e1")
    try:
        await aioble.advertise(
            50_000,
            name="a long name",
            services=[uuid, U],
            appearance=64,
            manufacturer=(7, b"m"),
            timeout_ms=3_000,
        )
    except asyncio.TimeoutError:
        print("advertised")
    try:
        await aioble.advertise(50_000, name="far too long a name for this", services=[uuid, uuid])
    except ValueError as error:
        print(error)
    try:
        # 31 bytes, which an advertisement can carry.
        await aioble.advertise(50_000, name="abcdefghijklmnopqrstuvwxyz", timeout_ms=3_000)
    except asyncio.TimeoutError:
        print("advertised")


asyncio.run(main())
