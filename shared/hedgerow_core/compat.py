"""The few names that MicroPython and CPython spell differently."""

import sys

MICROPYTHON = sys.implementation.name == "micropython"

# Second bytes of UTF-8 that make a code point too small or too large for its length, or a surrogate.
_LEAST = {0xE0: 0xA0, 0xF0: 0x90}
_MOST = {0xED: 0x9F, 0xF4: 0x8F}

if MICROPYTHON:
    from cryptolib import aes as _aes  # type: ignore[import-not-found,unused-ignore]

    def aes_ecb_encrypt(key: bytes, blocks: bytearray) -> None:
        """Encrypt whole 16-byte ``blocks``, in place, with AES in ECB mode; ``key`` has 16 or 32 bytes."""
        _aes(key, 1).encrypt(blocks, blocks)

    def utf8(data: bytes) -> str:
        """The text of UTF-8 (RFC 3629). ValueError where it is none."""
        text = data.decode()
        # MicroPython looks at the number of bytes only: overlong forms, surrogates and too large ones pass.
        for at in range(len(data) - 1):
            lead = data[at]
            if lead < 0xC2:
                if lead < 0xC0:
                    continue
                raise ValueError
            follows = data[at + 1]
            if lead > 0xF4 or follows < _LEAST.get(lead, 0x80) or follows > _MOST.get(lead, 0xBF):
                raise ValueError
        return text

else:
    from cryptography.hazmat.primitives.ciphers import Cipher as _Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES as _AES
    from cryptography.hazmat.primitives.ciphers.modes import ECB as _ECB

    def aes_ecb_encrypt(key: bytes, blocks: bytearray) -> None:
        """Encrypt whole 16-byte ``blocks``, in place, with AES in ECB mode; ``key`` has 16 or 32 bytes."""
        encryptor = _Cipher(_AES(bytes(key)), _ECB()).encryptor()
        blocks[:] = encryptor.update(bytes(blocks)) + encryptor.finalize()

    def utf8(data: bytes) -> str:
        """The text of UTF-8 (RFC 3629). ValueError where it is none."""
        return data.decode()
