from hedgerow_core import limits
from hedgerow_core.fragment import Fragmenter, Reassembler


def test_frames_of_every_size_pass_packets_of_every_size():
    for mtu in (2, 3, 20, 23, 244, 600):
        out = Fragmenter(mtu)
        back = Reassembler()
        for size in (0, 1, mtu - 2, mtu - 1, mtu, mtu * 2, limits.FRAME_BYTES):
            if size > limits.FRAME_BYTES:
                continue
            data = bytes(i & 0xFF for i in range(size))
            packets = out.split(data)
            assert max(len(packet) for packet in packets) <= mtu
            found = [back.receive(packet) for packet in packets]
            assert found[-1] == data
            assert all(item is None for item in found[:-1])
        assert back.lost == 0


def test_a_lost_packet_costs_its_frame_only():
    for lost in range(4):
        out = Fragmenter(10)
        back = Reassembler()
        found = []
        for index, packet in enumerate(out.split(b"x" * 36) + out.split(b"y" * 36)):
            if index != lost:
                found.append(back.receive(packet))
        assert [item for item in found if item is not None] == [b"y" * 36]


def test_a_repeated_or_reordered_packet_never_gives_another_frame():
    packets = Fragmenter(10).split(bytes(range(36)))
    back = Reassembler()
    for order in ((0, 0, 1, 2, 3), (0, 2, 1, 3), (3, 2, 1, 0), (0, 1, 1, 2, 3), (1, 2, 3)):
        for index in order:
            found = back.receive(packets[index])
            assert found is None or found == bytes(range(36))


def test_a_frame_without_end_is_given_up():
    back = Reassembler()
    for number in range(1000):
        back.receive(bytes(((0x80 if number == 0 else 0) | number & 63,)) + b"z" * 19)
    assert back.lost >= 1
    assert sum(len(part) for part in back._parts) <= limits.FRAME_BYTES


def test_every_byte_string_is_taken():
    back = Reassembler()
    for first in range(256):
        back.receive(bytes((first,)))
        back.receive(bytes((first, 1, 2)))
    assert back.receive(b"") is None
