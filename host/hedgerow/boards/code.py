"""The pairing code: what a board's owner shows, as text or QR, so that another computer pairs over the air.

hedgerow:board/1/ .. of CBOR [name, key 32, finding 16], of a loan [name, key, finding, end in unix minutes];
see hedgerow.uri. The key of a loan is the guest's pairing key; else it is a one-time key, by which the new
owner puts a pairing key of its own onto the board (docs/decisions.md, 2026-11-30, "Codes of 256 bits").
"""

from dataclasses import dataclass, field

from hedgerow import errors
from hedgerow.people.names import clean_name
from hedgerow.uri import Form, OtherVersion
from hedgerow_core import cbor, manage
from hedgerow_core.errors import PeerError

# What owners see of a code that nobody used yet.
LABEL = "code"
_FORM = Form("hedgerow:board/", "pairing code")


@dataclass(frozen=True)
class Code:
    """``finding`` knows the board's beacons (docs/protocol.md, "Beacon"); ``ends_ms``: the end of a loan."""

    name: str
    key: bytes = field(repr=False)
    finding: bytes = field(repr=False)
    ends_ms: int | None = None

    def uri(self) -> str:
        """As text."""
        content = [self.name, self.key, self.finding]
        return _FORM.encode(cbor.encode(content + ([] if self.ends_ms is None else [self.ends_ms // 60_000])))

    def for_qr(self) -> str:
        """In the letters of a QR code's alphanumeric mode."""
        return _FORM.for_qr(self.uri())


def parse(text: str) -> Code:
    """Read a code, as text or as a QR code says it. PairingCodeDamaged, or PairingCodeVersion."""
    try:
        found = cbor.decode(_FORM.decode(text))
        if not isinstance(found, list) or not 3 <= len(found) <= 4:
            raise PeerError("a damaged code")
        name, key, finding = found[:3]
        end = found[3] if len(found) == 4 else None
        if (
            not isinstance(name, str)
            or not (isinstance(key, bytes) and len(key) == manage.KEY_BYTES)
            or not (isinstance(finding, bytes) and len(finding) == manage.FINDING_BYTES)
            or not (end is None or (type(end) is int and 0 < end < 1 << 32))
        ):
            raise PeerError("a damaged code")
    except OtherVersion:
        raise errors.PairingCodeVersion from None
    except PeerError:
        raise errors.PairingCodeDamaged from None
    return Code(clean_name(name), key, finding, None if end is None else end * 60_000)
