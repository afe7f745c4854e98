"""What one person hands to another, as a line of text or as a QR code, with a checksum against slips.

hedgerow:kind/1/ base64url( content | SHA-256 .. [:4] )
HEDGEROW:KIND/1/ base45( the same ) /     as a QR code holds it: its alphanumeric mode has capitals only
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from hedgerow.people import base45
from hedgerow_core.errors import PeerError

_QR_END = "/"  # base45 may end with a space, which would get lost
_VERSION = "1"
_CHECK_BYTES = 4
_CHARACTERS = 2_000


class OtherVersion(PeerError):
    """It is of another version."""


@dataclass(frozen=True)
class Form:
    """``scheme`` is how such a link begins, ``what`` what it is called."""

    scheme: str
    what: str

    def encode(self, content: bytes) -> str:
        """The link that holds ``content``."""
        whole = content + hashlib.sha256(content).digest()[:_CHECK_BYTES]
        return self.scheme + _VERSION + "/" + base64.urlsafe_b64encode(whole).decode().rstrip("=")

    def for_qr(self, link: str) -> str:
        """A link that ``encode`` made, in the letters of a QR code's alphanumeric mode."""
        return self.scheme.upper() + _VERSION + "/" + base45.encode(self._whole(link)) + _QR_END

    def decode(self, text: str) -> bytes:
        """What a link, or what a QR code says, holds. PeerError where it is damaged, or OtherVersion."""
        whole = self._whole(text)
        content, check = whole[:-_CHECK_BYTES], whole[-_CHECK_BYTES:]
        if hashlib.sha256(content).digest()[:_CHECK_BYTES] != check:
            raise PeerError(f"a damaged {self.what}")
        return content

    def _whole(self, given: str) -> bytes:
        text = given.strip()
        in_capitals = text.startswith(self.scheme.upper())
        # In capitals a space is a letter, an end of a line is none.
        text = text.replace("\r", "").replace("\n", "") if in_capitals else "".join(text.split())
        if len(text) > _CHARACTERS or not (in_capitals or text.startswith(self.scheme)):
            raise PeerError(f"no {self.what}")
        version, _, encoded = text[len(self.scheme) :].partition("/")
        if version != _VERSION:
            raise OtherVersion("another version") if version.isdigit() else PeerError(f"no {self.what}")
        if in_capitals:
            if not encoded.endswith(_QR_END):
                raise PeerError(f"a damaged {self.what}")
            return base45.decode(encoded[: -len(_QR_END)])
        if not re.fullmatch("[A-Za-z0-9_-]+", encoded):
            raise PeerError(f"a damaged {self.what}")
        try:
            return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        except binascii.Error:
            raise PeerError(f"a damaged {self.what}") from None
