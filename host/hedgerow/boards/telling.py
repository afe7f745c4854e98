"""What a board tells of itself, by name: over a link, or sealed over the mesh."""

from typing import Any

from hedgerow.boards.choices import SETTINGS
from hedgerow_core import cbor, counts
from hedgerow_core.errors import PeerError

# Why a board started, as the service has them.
CAUSES = ("unknown", "power", "reset", "watchdog", "deep sleep", "soft reset")
# What every board tells besides its settings (docs/protocol.md, "Manage").
TOLD = {"name": str, "mesh": bytes, "unique": bytes, "firmware": int, "free": int}
# Letters that a board did not keep, and what counts them.
REFUSED = (
    ("lifetime_over", "lifetime over", counts.OVER),
    ("no_room", "no room", counts.NO_ROOM),
    ("above_share", "above the share of its link", counts.ABOVE_SHARE),
)


def read_config(data: bytes) -> dict[str, Any]:
    """The settings that are no keys, and what the board is, as it sent them. PeerError."""
    found = cbor.decode(data)
    if not isinstance(found, dict) or any(type(found.get(key)) is not kind for key, kind in TOLD.items()):
        raise PeerError("damaged settings")
    if not 0 <= found["firmware"] < 1 << 32:
        raise PeerError("a firmware that cannot be")
    return found


def config_of(found: dict[str, Any]) -> dict[str, Any]:
    """What ``read_config`` gave, for people and scripts."""
    return {
        **{key: found[key] for key in SETTINGS if isinstance(found.get(key), str | int)},
        "mesh": found["mesh"].hex(),
        "chip_id": found["unique"].hex(),
        "firmware": found["firmware"],
        "free_bytes": found["free"],
    }


def status_of(numbers: tuple[int, ...], name: str) -> dict[str, Any]:
    """What ``service.decode_status`` gave, for people and scripts."""
    held, known, held_bytes, load, uptime_s, free_bytes, starts, neighbours, links = numbers[:9]
    damage, safe, too_large, proofs = numbers[9:]
    return {
        "name": name,
        "held": held - proofs,
        "proofs": proofs,
        "known": known,
        "held_bytes": held_bytes,
        "load_percent": load * 100 // 255,
        "uptime_s": uptime_s,
        "free_bytes": free_bytes,
        "starts": starts,
        "neighbours": neighbours,
        "links": links,
        "damage": damage,
        "safe_mode": bool(safe),
        "memory_short": too_large,
    }


def counts_of(cause: int, starts: list[int], battery: int, numbers: list[int]) -> dict[str, Any]:
    """What ``survey.decode_counts`` gave, for people and scripts."""
    refused = {key: numbers[place] for key, _, place in REFUSED}
    return {
        "counts": {
            "heard": numbers[counts.HEARD],
            "heard_strange": numbers[counts.STRANGE],
            "met": numbers[counts.MET],
            "met_in_vain": numbers[counts.VAIN],
            "offered": numbers[counts.OFFERED],
            "kept": numbers[counts.KEPT],
            "known_before": max(numbers[counts.OFFERED] - numbers[counts.KEPT] - sum(refused.values()), 0),
            "refused": refused,
            "purged": numbers[counts.PURGED],
            "expired": numbers[counts.EXPIRED],
            "evicted": numbers[counts.EVICTED],
        },
        "heap_low_water_bytes": numbers[counts.LOW_WATER],
        "cause": CAUSES[cause],
        "starts_by_cause": {name: count for name, count in zip(CAUSES, starts, strict=True) if count},
        "battery_percent": percent_of(battery),
    }


def percent_of(battery: int) -> int | None:
    """Of a battery as NAME tells it; None where nobody knows."""
    return battery - 1 if 1 <= battery <= 101 else None
