"""Appends and joins until it is killed; tells each entry that was promised: log_worker.py FILE OTHER SEED."""

import sys

from log_support import BOB, NAME

from hedgerow.log import Author, Log

path, other_path, seed = sys.argv[1:]
log = Log.open(path, NAME, Author.from_seed(bytes([int(seed) % 2]) * 32))
other = Log.open(other_path, NAME, BOB, durable=False)
number = 0
while True:
    number += 1
    told = [log.append(b"%d" % number).id]
    if number % 5 == 0:
        written = [other.append(b"from elsewhere") for _ in range(20)]
        log.join(written)
        told += [entry.id for entry in written]
    print("".join(entry_id.hex() + "\n" for entry_id in told), end="", flush=True)
