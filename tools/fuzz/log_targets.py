"""What is fuzzed of logs: entries, snapshots, files; and of conversations: operations, questions, pieces."""

import io

from fuzz.promise import holds, piece, pieces, refusal, told
from hedgerow import gaps
from hedgerow.blobs import blocks
from hedgerow.blobs import pieces as blob_pieces
from hedgerow.chat import operation
from hedgerow.errors import UserError
from hedgerow.log import Author, Log, canonical, compaction, interchange
from hedgerow.log.stores import KeyValue
from hedgerow_core import cbor
from hedgerow_core.errors import PeerError

_NAME = bytes(range(32))
_ANN = Author.from_seed(b"a" * 32)


def _log() -> Log:
    log = Log.open(":memory:", _NAME, _ANN, durable=False)
    for number in range(12):
        KeyValue(log).put(str(number % 3), number)
    return log


def fuzz_log(data: bytes) -> str:
    """One thing after the other that comes from outside."""
    result: list[object] = []
    for what, part in pieces(data):
        how = what % 4
        try:
            if how == 0:
                entry = canonical.decode(part)
                holds(canonical.encode(entry) == part, "an entry has two encodings")
            elif how == 1:
                snapshot = compaction.decode(part)
                holds(snapshot.encode() == part, "a snapshot has two encodings")
            elif how == 2:
                with Log.open(":memory:", _NAME, durable=False) as log:
                    found = interchange.load(io.BytesIO(part), lambda name, signed, log=log: log)  # type: ignore[misc]
                    holds(log.verify() == [], "a file damaged a log")
                    holds(found.joined.added <= 64, "more came than was there")
            else:
                with _log() as log:
                    log.adopt(part, {_ANN.key}.__contains__)
                    holds(log.verify() == [], "a snapshot damaged a log")
            result.append("taken")
        except PeerError as error:
            result.append(refusal(error))
        except UserError as error:
            result.append(type(error).__name__)
    return told(*result)


def fuzz_chat(data: bytes) -> str:
    """What travels within letters."""
    result: list[object] = []
    for what, part in pieces(data):
        how = what % 5
        try:
            if how == 0:
                found = operation.decode(part.decode("utf-8", "replace"))
                holds(operation.decode(operation.encode(found)) == found, "an operation has two meanings")
            elif how == 1:
                got = blob_pieces.read_piece(part)
                holds(0 <= got.index < got.count <= blob_pieces.COUNT_MAX, "a piece out of its bounds")
            elif how == 2:
                _, asked = blob_pieces.read_question(part)
                holds(len(asked) <= blob_pieces.ASKED_MOST, "a question for too much")
            elif how == 3:
                root = blocks.read_root(part)
                holds(root.size <= blocks.FILE_BYTES, "a file above its bound")
            else:
                gaps.read(part)
            result.append("taken")
        except PeerError as error:
            result.append(refusal(error))
    return told(*result)


def log_seeds() -> list[bytes]:
    with _log() as log:
        entries = [canonical.encode(entry) for entry in log.entries()]
        files = []
        for form in (interchange.JSONL, interchange.CAR):
            stream = io.BytesIO()
            interchange.export(log, form, stream)
            files.append(stream.getvalue())
        snapshot = log.compact(8, [KeyValue(log)]).encode()
    return [
        piece(0, entries[0]) + piece(0, entries[-1]),
        piece(1, snapshot),
        *[piece(2, whole[:900]) for whole in files],
        piece(3, snapshot),
    ]


def chat_seeds() -> list[bytes]:
    root = blocks.root_of([b"one block", b"another"]).encode()
    return [
        *[
            piece(0, text.encode())
            for text in ("r01020304.7 yes", "+01020304.7 \U0001f33b", "v01020304.1 0,2")
        ],
        piece(0, b"?When?\ntoday\ntomorrow") + piece(0, b"f" + b"A" * 43 + b" 300000 well.jpg"),
        piece(1, blob_pieces.piece_of(bytes(8), b"one block", 0) or b""),
        piece(2, blob_pieces.ask(0, {bytes(8): [0, 1, 2, 9]})),
        piece(3, root),
        piece(4, cbor.encode([0, bytes(8), bytes(4), [1, 4, 9, 9]]))
        + piece(4, cbor.encode([3, bytes(8), bytes(4), b"x"])),
    ]


TARGETS = {
    "conversation_log": (fuzz_log, log_seeds),
    "chat": (fuzz_chat, chat_seeds),
}
