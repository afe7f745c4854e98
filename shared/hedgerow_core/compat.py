"""The few names that MicroPython and CPython spell differently."""

try:
    from cryptolib import aes as _aes  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    _aes = None

if _aes is None:
    from cryptography.hazmat.primitives.ciphers import Cipher as _Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES as _AES
    from cryptography.hazmat.primitives.ciphers.modes import ECB as _ECB

    def aes_ecb_encrypt(key: bytes, blocks: bytes) -> bytes:
        """Encrypt whole 16-byte ``blocks`` with AES in ECB mode; ``key`` has 16 or 32 bytes."""
        encryptor = _Cipher(_AES(bytes(key)), _ECB()).encryptor()
        return encryptor.update(bytes(blocks)) + encryptor.finalize()

else:

    def aes_ecb_encrypt(key: bytes, blocks: bytes) -> bytes:
        """Encrypt whole 16-byte ``blocks`` with AES in ECB mode; ``key`` has 16 or 32 bytes."""
        return bytes(_aes(key, 1).encrypt(blocks))
