"""Fetches a file from the internet, within bounds of size and time."""

import http.client
import time
import urllib.request
from collections.abc import Callable

_TIMEOUT_S = 30  # without a byte
_WHOLE_S = 900
_BLOCK = 1 << 16


class Failed(Exception):
    """Why there is no such file, in a few words."""


def get(address: str, most_bytes: int, progress: Callable[[float], None]) -> bytes:
    """What is at ``address``, whole. Failed."""
    data = bytearray()
    end = time.monotonic() + _WHOLE_S
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            while block := answer.read(_BLOCK):
                data += block
                if time.monotonic() > end:
                    raise Failed(f"{_WHOLE_S} s were not enough")
                if len(data) > most_bytes:
                    raise Failed("it has too many bytes")
                if size:
                    progress(min(len(data) / size, 1.0))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Failed(_reason(error)) from None
    if size and len(data) != size:
        raise Failed(f"{len(data)} of {size} bytes came")
    return bytes(data)


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    return (getattr(inner, "strerror", None) or str(inner) or "no answer").lower()
