"""Every bound of the protocol in one place (docs/protocol.md, "Bounds"). Bytes, counts, ms or minutes."""

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
OFFER_IDS = 56  # ids a frame holds
EXCHANGE_IDS = 4_096  # ids one peer may offer in one round
ASK_IDS = 128  # ids remembered at once as wanted from one peer
IN_FLIGHT = 8  # envelopes put and not yet acknowledged
IN_FLIGHT_BYTES = 1_600
STREAM_IN_FLIGHT_BYTES = 200  # UART0 of an ESP32 keeps 260 bytes and drops the rest in silence
RETRY_MS = 4_000
STALL_MS = 20_000  # no progress while something is in flight: the link is given up
SERVICE_BYTES = 480

# Carrier
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
SHELF_BYTES = 512 * 1024

# A board's memory of its troubles, and its settings
JOURNAL_BYTES = 1_024
JOURNAL_TEXT_BYTES = 200
SETTINGS_BYTES = 512
