"""Every bound of the protocol in one place. Bytes, counts, ms or minutes."""

# Envelope
ENVELOPE_BYTES = 1024
ENVELOPE_PAD = 32
LOCK_BYTES = 12
ID_BYTES = 8
HOPS = 32
AGE_MINUTES = 60 * 24 * 30

# Codecs
CBOR_DEPTH = 8
FRAME_BYTES = 512  # one encrypted frame of a link, header and tag included
FRAGMENTS = 64  # of one frame

# Sessions
SESSION_NONCE_BYTES = 16
TAG_BYTES = 8
HANDSHAKE_MS = 3_000
SESSION_FRAMES = 1 << 24  # frames under one key, far below the counter's 32 bits

# Exchange
OFFER_IDS = 28  # ids that one of our frames holds
PUT_BYTES = 224  # of an envelope that one of our frames holds
EXCHANGE_IDS = 4_096  # ids one peer may offer in one round
SKETCH_CELLS = 192  # of a sketch, at most: enough for a difference of 100 ids
ASK_IDS = 64  # ids remembered at once as wanted from one peer
QUEUE_IDS = 64  # elements that wait to be put to one peer; what is more is offered
HOST_TIMES = 8  # so many times as much has a host room for
IN_FLIGHT = 8  # envelopes put and not yet acknowledged
IN_FLIGHT_BYTES = 1_600
STREAM_IN_FLIGHT_BYTES = 200  # UART0 of an ESP32 keeps 260 bytes and drops the rest in silence
RETRY_MS = 4_000
STALL_MS = 20_000  # no progress while something is in flight: the link is given up
SERVICE_BYTES = 480
ANSWER_BYTES = 229  # of an answer that fills one frame of ours
TRACE_HOPS = 8  # links that a probe crosses
PROBES = 4  # that a board remembers at once, the last of them its host's
PROBE_MS = 15_000  # so long it does, and no echo is worth anything later
PROBE_DONE_MS = 5_000  # so long where nothing is awaited any more
SEEK_MS = 10_000  # so long a board that passes a probe on calls neighbours that know what it knows

# Carrier
LINKS = 3  # lines of a board at once, its host's among them
STANDING_LINKS = 2  # that stay open when all is exchanged
NEIGHBOURS = 32
BEACON_FAST_MS = 200
BEACON_FAST_FOR_MS = 5_000
BEACON_MIN_MS = 1_000
BEACON_MAX_MS = 8_000
BACKOFF_MIN_MS = 2_000
BACKOFF_MAX_MS = 120_000
NEIGHBOUR_FORGET_MS = 60_000

# Shelf
TOMBSTONES = 1_000
SHELF_COUNT = 1_000
BOARD_LETTERS = 4_000  # on the shelf of a board: one peer may offer no more than EXCHANGE_IDS
SHELF_BYTES = 512 * 1024
TTL_MINUTES = 60 * 24 * 14  # the longest lifetime
PROOF_BYTES = 16
UNMATCHED_PROOFS = 16
UNMATCHED_PROOFS_A_SOURCE = 8
FRESH_IDS = 64  # that a link or a mailbox may be behind before it looks at all

# Admission
YOUNG_MINUTES = 60  # links younger than this share one part of the shelf, and half of all buckets
BUCKET_MINUTES = 16  # a bucket loses this part of its content every minute
ELEMENT_BYTES = 128  # what an element counts besides its bytes: a write to the flash, a row, time on the air
LATE_A_MINUTE = 8  # letters above its share, after which a bucket does not drain in this minute
LATER = 64  # letters above its share that a link may put before they count as bad frames
LETTER_BYTES = 256  # of an average letter

# Mesh clock
M_TOLD = 1_052_640  # of 2026-01-01: the M of no host is less, only that of boards that never met one
M_MINUTES = 1 << 29  # the largest M that anybody may tell: a thousand years
M_CHECKPOINT_MINUTES = 10  # between two checkpoints, so a loss of power costs M at most this much
M_WAIT_MINUTES = 10  # an uncertain board waits so long for somebody who knows
M_MEMBERS = 3  # certain members whose lowest M is taken without a cap
M_JUMP_MINUTES = 60 * 24  # what fewer members can move M
M_NEAR_MINUTES = 60  # one certain member is enough where it says no more than so much above our guess
M_BEHIND_MINUTES = 60  # who is further behind us has lost more than we did, and is not asked

# Care
CARE_WINDOW = 8  # commands that a board looks for from its next one on
CARE_NUMBERS = (1 << 31) - 1  # commands that one key has: the number behind the last one fits into NVS
CARE_FORGERIES = 8  # under the lock of a command that a board looks at in one go

# A board's memory of its troubles, and its settings
JOURNAL_BYTES = 1_024
JOURNAL_TEXT_BYTES = 200
SETTINGS_BYTES = 1_024
PAIRINGS = 6  # that a board keeps besides that of who flashed it
LABEL_BYTES = 16  # of a pairing

# Updates
UPDATE_PIECES = 260  # of the files: 127 kB of firmware
UPDATE_OPENING = 16  # pieces of signature and manifest, that one head names
UPDATE_FILES = 32
UPDATE_MANIFEST_BYTES = 5_344
UPDATE_PATH_BYTES = 64
UPDATE_LEAVES = 1 << 10  # one-time keys of the largest tree
UPDATE_HEADS = 8  # that a board looks at in one go
UPDATE_TRIES = 3  # of one update, where only the power went
