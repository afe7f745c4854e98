from hedgerow_core import frame, limits
from support import refuses

PAYLOADS = [
    b"a",
    b"\0",
    b"\0\0\0",
    b"hello\0world",
    bytes(254),
    b"\1" * 253,
    b"\1" * 254,
    b"\1" * 255,
    bytes(range(256)),
    b"\xff" * limits.FRAME_BYTES,
]


def test_frames_come_out_as_they_went_in():
    for payload in PAYLOADS:
        data = frame.encode(payload)
        assert 0 not in data[1:-1]
        assert frame.decode(data[1:-1]) == payload


def test_frames_arrive_whole_byte_by_byte_and_in_one_piece():
    line = b"".join(frame.encode(payload) for payload in PAYLOADS)
    assert frame.Deframer().receive(line) == PAYLOADS
    deframer = frame.Deframer()
    found = []
    for i in range(len(line)):
        found.extend(deframer.receive(line[i : i + 1]))
    assert found == PAYLOADS
    assert deframer.noise == 0


def test_a_frame_split_at_every_byte_arrives_once():
    data = frame.encode(b"hello\0world")
    for at in range(len(data) + 1):
        deframer = frame.Deframer()
        assert deframer.receive(data[:at]) + deframer.receive(data[at:]) == [b"hello\0world"]


def test_noise_before_a_frame_does_not_hurt_it():
    for noise in (b"boot: ready\r\n", b"\xff\xff", b"\0\0\0", b"\x05abc", bytes(range(1, 256)) * 8):
        assert frame.Deframer().receive(noise + frame.encode(b"payload")) == [b"payload"]


def test_a_flipped_bit_never_gives_another_frame():
    data = frame.encode(b"some payload \0 of a frame")
    for at in range(len(data)):
        for bit in range(8):
            bad = bytearray(data)
            bad[at] ^= 1 << bit
            for found in frame.Deframer().receive(bytes(bad) + b"\0"):
                assert found == b"some payload \0 of a frame"


def test_a_cut_frame_is_dropped_and_the_next_arrives():
    data = frame.encode(b"first")
    for end in range(2, len(data) - 1):
        deframer = frame.Deframer()
        assert deframer.receive(data[:end] + frame.encode(b"second")) == [b"second"]
        assert deframer.noise == 1


def test_endless_noise_costs_no_memory():
    deframer = frame.Deframer()
    for _ in range(50):
        assert deframer.receive(b"\x55" * 1000) == []
        assert len(deframer.pending()) <= 2 * limits.FRAME_BYTES + 1000


def test_damaged_frames_are_refused():
    for data in (b"", b"\1", b"\2", b"\2\1\2", b"\0", b"\5abcd", b"\1\1\1\1", b"\xff" * 255):
        assert refuses(frame.decode, data), data
