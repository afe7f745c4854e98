"""Another Double Ratchet, of the package DoubleRatchet, that speaks our wire form.

The package has no header encryption and gets keys, chains and skipped messages from its own code; locks and
masks are laid around it here, from the header keys that its root chain gives as third part.
"""

from doubleratchet import AEAD, KDF, AuthenticationFailedException, EncryptedMessage, Header
from doubleratchet import DoubleRatchet as Base
from doubleratchet.recommended import HashFunction, kdf_separate_hmacs
from doubleratchet.recommended.diffie_hellman_ratchet_curve25519 import DiffieHellmanRatchet

from hedgerow.identity import keys
from hedgerow.ratchet import kdf
from hedgerow_core.envelope import padded_body_size
from hedgerow_core.errors import AuthError
from hedgerow_core.mac import hkdf


class ChainKdf(kdf_separate_hmacs.KDF):
    """Two HMACs, as section 7.2 of the specification recommends."""

    @staticmethod
    def _get_hash_function():
        return HashFunction.SHA_256


class OurAead(AEAD):
    """Our AEAD."""

    @staticmethod
    async def encrypt(plaintext, key, associated_data):
        return keys.seal(kdf.seal_key(key), plaintext, associated_data)

    @staticmethod
    async def decrypt(ciphertext, key, associated_data):
        try:
            return keys.unseal(kdf.seal_key(key), ciphertext, associated_data)
        except AuthError:
            raise AuthenticationFailedException() from None


def result(coroutine):
    """What a coroutine gives that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stopped:
        return stopped.value
    raise AssertionError("a coroutine that waits")


class PeerRatchet:
    """One side of a conversation; it writes first where it gets ``their_public``, else it has ``private``."""

    def __init__(self, root, ad, random, their_public=None, private=None):
        self._root, self._ad, self._private, self._their_public = root, ad, private, their_public
        first, second = kdf.shared_header_keys(root)
        self._hks, self._nhks, self._nhkr = (first, b"", second) if their_public else (b"", second, first)
        self._derived = []
        self._ratchet = None
        self._header_key = b""
        self._classes(random)

    def _classes(self, random):
        peer = self

        class Dh(DiffieHellmanRatchet):
            @staticmethod
            def _generate_priv():
                return random(32)

        class RootKdf(KDF):
            @staticmethod
            async def derive(key, data, length):
                okm = hkdf(data, key, b"hedgerow ratchet", 96)
                peer._derived.append(okm[64:])
                return okm[:length]

        class Ratchet(Base):
            @staticmethod
            def _build_associated_data(associated_data, header):
                lock, masked = peer._wire(header)
                return associated_data + lock + masked

        self._ratchet_class = Ratchet
        self._parameters = {
            "diffie_hellman_ratchet_class": Dh,
            "root_chain_kdf": RootKdf,
            "message_chain_kdf": ChainKdf,
            "message_chain_constant": b"\x02\x01",
            "dos_protection_threshold": 2_000,
            "max_num_skipped_message_keys": 2_000,
            "aead": OurAead,
            "shared_secret": self._root,
        }

    def _wire(self, header):
        number = header.sending_chain_length
        length = header.previous_sending_chain_length
        plain = header.ratchet_pub + (
            bytes((length,)) if length < 255 else b"\xff" + length.to_bytes(4, "big")
        )
        lock = kdf.lock_of(kdf.token(self._header_key, number))
        return lock, kdf.masked(self._header_key, number, plain)

    def can_write(self):
        return self._ratchet is not None or self._their_public is not None

    def write(self, text):
        """(lock, body)."""
        self._header_key = self._hks
        self._derived.clear()
        # All headers have 33 bytes until a chain has 255 messages.
        padded = keys.pad(text, padded_body_size(49 + len(text) + 1) - 49)
        if self._ratchet is None:
            self._ratchet, message = result(
                self._ratchet_class.encrypt_initial_message(
                    **self._parameters,
                    recipient_ratchet_pub=self._their_public,
                    message=padded,
                    associated_data=self._ad,
                )
            )
            (self._nhks,) = self._derived
        else:
            message = result(self._ratchet.encrypt_message(padded, self._ad))
        lock, masked = self._wire(message.header)
        return lock, masked + message.ciphertext

    def read(self, header_key, number, body):
        """The text of message ``number`` of a chain."""
        self._header_key = header_key
        self._derived.clear()
        plain = kdf.masked(header_key, number, body[:33])
        message = EncryptedMessage(Header(plain[:32], plain[32], number), body[33:])
        if self._ratchet is None:
            self._ratchet, text = result(
                self._ratchet_class.decrypt_initial_message(
                    **self._parameters,
                    own_ratchet_priv=self._private,
                    message=message,
                    associated_data=self._ad,
                )
            )
        else:
            text = result(self._ratchet.decrypt_message(message, self._ad))
        if header_key == self._nhkr:
            self._hks = self._nhks
            self._nhkr, self._nhks = self._derived
        return keys.unpad(text)

    def skipped(self):
        """The keys of messages that were jumped over."""
        if self._ratchet is None:
            return []
        return [row.message_key for row in self._ratchet.model.skipped_message_keys]
