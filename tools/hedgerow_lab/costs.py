"""What a board's work costs in virtual time. Guesses until calibrated on hardware, all in this one place.

From the prototype: a 32-bit MicroPython on a computer, times 85 for an ESP32 at 160 MHz.
"""

COSTS = {
    "irq_us": 300,  # one Bluetooth event through aioble
    "sha256_us": 125,  # one digest of a short message; an HMAC has two
    "aes_us": 100,  # AES: the call ...
    "aes_byte_ns": 1_500,  # ... and each byte
    "flash_read_us": 20,
    "flash_program_us": 150,
    "flash_erase_us": 45_000,
}

# Air (Bluetooth Core Specification 5.4, volume 6, part B; NimBLE's defaults where it leaves a choice).
ADVERTISING_DELAY_US = 10_000  # 0 to this, random, added to each interval
ADVERTISING_PDU_US = 376  # 31 bytes at 1 Mbit/s
CHANNEL_HOP_US = 150  # between the three advertising channels
CONNECTION_SETUP_US = 12_500  # from CONNECT_IND to the first connection event
CONNECTION_INTERVAL_US = 30_000
PDUS_PER_EVENT = 4  # each way
SUPERVISION_US = 2_560_000
CONNECTIONS = 4  # of NimBLE in MicroPython's images; the controller of the first ESP32 has 3
SCAN_BATCH_US = 100_000  # scan results are handed over together when they are this close
CAPTURE_DB = 6
DEFAULT_RSSI = -60
