"""No trap: every kind of request once."""

import asyncio

import aioble
import bluetooth

U = bluetooth.UUID(0x1234)
C = bluetooth.UUID(0x1235)


class Guarded(aioble.Characteristic):
    refuse = 0

    def on_read(self, connection):
        print("asked by", connection.device)
        self.write(b"fresh")
        refuse, self.refuse = self.refuse, 5
        return refuse


async def main():
    service = aioble.Service(U)
    guarded = Guarded(service, C, read=True, initial=b"stale")
    aioble.Descriptor(guarded, bluetooth.UUID(0x2901), read=True, initial=b"what it is")
    told = aioble.Characteristic(service, bluetooth.UUID(0x1236), indicate=True, notify=True)
    long = aioble.BufferedCharacteristic(
        service, bluetooth.UUID(0x1237), write=True, write_no_response=True, max_len=30, append=True
    )
    aioble.register_services(service, aioble.Service(bluetooth.UUID(0x1238)))
    print(aioble.config("mtu"), guarded.read(), long.read())
    async with await aioble.advertise(100_000, name="x") as connection:
        for _ in range(2):
            print("written by", (await long.written()).device)
        print(long.read())
        await told.indicate(connection, b"please confirm")
        told.notify(connection, b"by the way")
        await asyncio.sleep_ms(1_000)
        told.write(b"for those who subscribed", send_update=True)
        await asyncio.sleep_ms(1_000)
    print("gone", connection.is_connected())
    aioble.stop()


asyncio.run(main())
