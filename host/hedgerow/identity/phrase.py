"""The recovery phrase: 24 words of BIP-39, and the account key that derives from them."""

import hashlib
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from hedgerow import errors
from hedgerow_core.mac import hkdf

if TYPE_CHECKING:
    from mnemonic import Mnemonic

ENTROPY_BYTES = 32
WORDS = 24
_SEED_ROUNDS = 2048


def words_of(entropy: bytes) -> str:
    """The phrase of 32 random bytes: 24 English words between spaces, the last with a checksum."""
    return str(_list().to_mnemonic(entropy))


def entropy_of(text: str) -> bytes:
    """The 32 bytes of a phrase, however it is spaced and cased; four letters are enough for a word.

    BadPhrase, which says what is wrong, where it is none.
    """
    list_of_words = _list()
    whole = {word[:4]: word for word in list_of_words.wordlist}
    found = []
    typed = unicodedata.normalize("NFKD", text).lower().split()
    for number, word in enumerate(typed, 1):
        known = word if word in list_of_words.wordlist else whole.get(word) if len(word) == 4 else None
        if known is None:
            raise errors.BadPhrase(reason=f"word {number} is not on the list")
        found.append(known)
    if len(found) != WORDS:
        raise errors.BadPhrase(reason=f"it has {len(found)} words, not {WORDS}")
    phrase = " ".join(found)
    if not list_of_words.check(phrase):
        raise errors.BadPhrase(reason="a word is wrong, or two changed places")
    return bytes(list_of_words.to_entropy(phrase))


@cache
def _list() -> "Mnemonic":
    # Only here: it takes time to read, and few commands need it.
    from mnemonic import Mnemonic

    return Mnemonic("english")


def account_seed(entropy: bytes) -> bytes:
    """The Ed25519 seed of the account of a phrase: 32 bytes (docs/protocol.md, "Account")."""
    phrase = words_of(entropy).encode()
    # The seed of BIP-39, without a further password.
    seed = hashlib.pbkdf2_hmac("sha512", phrase, b"mnemonic", _SEED_ROUNDS)
    return hkdf(seed, b"", b"hedgerow account", 32)
