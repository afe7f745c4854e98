"""Writing a log to a file."""

from collections.abc import Callable
from typing import IO

from hedgerow.log import canonical
from hedgerow.log.interchange import car, jsonl
from hedgerow.log.interchange.orbitdb import Converter
from hedgerow.log.log import Log

JSONL, CAR, ORBITDB = FORMATS = ("jsonl", "car", "orbitdb")


def export(
    log: Log,
    form: str,
    stream: IO[bytes],
    secret: bytes = b"",
    told: Callable[[int], None] | None = None,
) -> int:
    """Write all entries of the order, parents first; how many. ``told`` is called with that as it grows.

    ``form`` is one of FORMATS. ``orbitdb`` signs anew, with keys out of ``secret``.
    """
    if form == ORBITDB:
        return _orbitdb(log, stream, secret, told)
    if form == CAR:
        car.write_header(stream, [head.id for head in log.heads()])
    count = 0
    for record in log.records():
        if not record.readable:
            continue
        if form == CAR:
            car.write_block(stream, canonical.encode(record.entry))
        else:
            stream.write(jsonl.write(record.entry))
        count += 1
        if told is not None:
            told(count)
    return count


def _orbitdb(log: Log, stream: IO[bytes], secret: bytes, told: Callable[[int], None] | None) -> int:
    # The heads come first in the file, and have their names last.
    first = Converter(secret)
    for record in log.records():
        if record.readable:
            first.blocks(record.entry)
    car.write_header(stream, [first.names[head.id] for head in log.heads() if head.id in first.names])
    converter = Converter(secret)
    for count, record in enumerate(filter(lambda record: record.readable, log.records()), 1):
        for block in converter.blocks(record.entry):
            car.write_block(stream, block)
        if told is not None:
            told(count)
    return len(converter.names)
