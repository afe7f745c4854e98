"""What the board sees and counted, for its paired host; imported when it asks, and forgotten afterwards."""

from hedgerow_core import service, survey


def answer(board: object, line: object, message: bytes) -> bytes:
    """The answer to COUNTS or NODES; nothing where there is none."""
    if message[0] == service.NODES and len(message) == 2:
        return survey.encode_nodes(board.carrier, message[1], board.now())
    if message[0] == service.COUNTS and len(message) == 1:
        journal = board.journal
        starts = []
        for cause in range(service.CAUSES):
            try:
                starts.append(journal.store.get_i32("reset" + str(cause)))
            except OSError:
                starts.append(0)
        return survey.encode_counts(journal.cause, starts, board.battery(), board.counts)
    return b""
