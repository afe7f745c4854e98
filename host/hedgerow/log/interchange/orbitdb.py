"""Entries as OrbitDB has them (@orbitdb/core, src/oplog/entry.js, version 2): DAG-CBOR maps, named in base58.

    {id, payload, next, refs, clock: {id, time}, v: 2, key, identity, sig}

OrbitDB verifies a signature over its own form of an entry, which our authors never made. So who exports signs
for them: with one Ed25519 key for each author, out of a secret. What that proves is who exported. The payload
has the canonical entry, with which the author's own signature can be checked.
"""

import base64
import hashlib

import cbor2
from nacl import bindings

from hedgerow.log import bounds, canonical, cid
from hedgerow.log.canonical import Entry
from hedgerow_core.mac import hkdf

_VERSION = 2
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def name(identity: bytes) -> str:
    """A CID in base58btc, as OrbitDB writes it: ``zdpu`` and so on."""
    number, digits = int.from_bytes(cid.to_bytes(identity), "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "z" + digits


class Signer:
    """Whoever exports, in the place of one author."""

    def __init__(self, secret: bytes, author: bytes) -> None:
        seed = hkdf(secret, b"", b"hedgerow orbitdb author" + author, 32)
        public, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.key = public.hex()
        signed = self.sign(self.key.encode())
        signatures = {"id": signed, "publicKey": self.sign((self.key + signed).encode())}
        fields = {"id": self.key, "publicKey": self.key, "signatures": signatures, "type": "publickey"}
        self.block = cbor2.dumps(fields, canonical=True)
        self.identity = name(hashlib.sha256(self.block).digest())

    def sign(self, message: bytes) -> str:
        """The signature in hexadecimal."""
        return bindings.crypto_sign(message, self._secret)[: bounds.SIGNATURE_BYTES].hex()


class Converter:
    """Converts entries, parents first; ``blocks`` gives what is to be written for each."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._signers: dict[bytes, Signer] = {}
        self.names: dict[bytes, bytes] = {}  # our id -> that of OrbitDB's block

    def blocks(self, entry: Entry) -> list[bytes]:
        """The block of an entry, behind that of its author's identity where that is new."""
        found = []
        signer = self._signers.get(entry.author)
        if signer is None:
            signer = self._signers[entry.author] = Signer(self._secret, entry.author)
            found.append(signer.block)
        payload = {
            "cid": cid.to_text(entry.id),
            "kind": entry.kind,
            "body": entry.body,
            "entry": canonical.encode(entry),
        }
        fields: dict[str, object] = {
            "id": "hedgerow/" + base64.urlsafe_b64encode(entry.log).decode().rstrip("="),
            "payload": payload,
            "next": self._all(entry.parents),
            "refs": self._all(entry.references),
            "clock": {"id": signer.key, "time": entry.clock},
            "v": _VERSION,
        }
        signature = signer.sign(cbor2.dumps(fields, canonical=True))
        fields |= {"key": signer.key, "identity": signer.identity, "sig": signature}
        block = cbor2.dumps(fields, canonical=True)
        self.names[entry.id] = hashlib.sha256(block).digest()
        return [*found, block]

    def _all(self, ids: tuple[bytes, ...]) -> list[str]:
        # What is missing here has no name there: OrbitDB would look for it for ever.
        return [name(self.names[one]) for one in ids if one in self.names]
