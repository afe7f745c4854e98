"""A discovery whose loop was left early keeps the next one from starting; results come last first."""

import asyncio

import aioble
import bluetooth

A = "76:6a:2b:c2:8c:a2"  # the address of board a with seed 1


async def main():
    connection = await aioble.Device(aioble.ADDR_PUBLIC, A).connect()
    async for service in connection.services():
        print(service)
    async for service in connection.services():
        print("enough:", service.uuid)
        break
    try:
        await connection.service(bluetooth.UUID(1))
    except ValueError as error:
        print(error)


asyncio.run(main())
