"""24 words on paper are the account: the words of BIP-39, and always the same key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_support import Village
from people_support import NOW, source

from hedgerow import errors
from hedgerow.identity import phrase
from hedgerow.identity.account import Account
from hedgerow.node import Node

# The vectors of BIP-39 for 256 bits.
VECTORS = {
    "00" * 32: "abandon " * 23 + "art",
    "7f" * 32: "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth"
    " useful legal winner thank year wave sausage worth title",
    "80"
    * 32: "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor"
    " acoustic avoid letter advice cage absurd amount doctor acoustic bless",
    "ff" * 32: "zoo " * 23 + "vote",
    "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f": "void come effort suffer camp survey"
    " warrior heavy shoot primary clutch crush open amazing screen patrol group space point ten exist slush"
    " involve unfold",
}


@pytest.mark.parametrize(("entropy", "words"), VECTORS.items())
def test_the_words_are_those_of_bip39(entropy, words):
    assert phrase.words_of(bytes.fromhex(entropy)) == words
    assert phrase.entropy_of(words).hex() == entropy


@given(st.binary(min_size=32, max_size=32))
def test_a_phrase_is_understood_however_it_is_typed(entropy):
    words = phrase.words_of(entropy)
    short = "\n".join(word[:4].upper() for word in words.split())
    for typed in (words, f"  {words.upper()}\n", short):
        assert phrase.entropy_of(typed) == entropy


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "0 words"),
        ("abandon " * 12, "12 words"),
        ("abandon " * 24, "a word is wrong"),
        ("abandon " * 23 + "cheese1", "word 24"),
        ("art " + "abandon " * 23, "two changed places"),
        ("é" * 10_000, "word 1"),
    ],
)
def test_a_phrase_with_a_mistake_is_refused_in_one_sentence(typed, reason):
    with pytest.raises(errors.BadPhrase, match=reason):
        phrase.entropy_of(typed)


def test_paper_of_today_gives_the_same_account_in_years():
    """Frozen: docs/protocol.md, "Account"."""
    seed = "cec19ac00294bf4d0d005c0878a1ba8b67ecc545de649996ee3c57cb53fe4a66"
    key = "00813c90509f1e03138a3dc226f7893eb62976020ddc5c585437f67c23cf3b03"
    assert phrase.account_seed(bytes(32)).hex() == seed
    assert Account.of_phrase(bytes(32), source("any")).account_key.hex() == key


def test_recovering_gives_the_same_account_and_new_device_keys(tmp_path):
    first = Node.create(tmp_path / "first", "Alice", source(1), NOW)
    again = Node.create(tmp_path / "again", "Alice", source(2), NOW, first.entropy)
    before, after = first._desk.account, again._desk.account
    assert after.account_key == before.account_key
    assert after.device_key != before.device_key and after.device_dh != before.device_dh
    first.close()
    again.close()


def test_contacts_know_who_recovered_and_letters_go_again_when_they_agreed():
    with Village("Alice", "Bob") as village:
        village.befriend("Alice", "Bob")
        entropy = village.nodes["Alice"].entropy
        village.nodes["Alice"].close()
        village.nodes["Alice"] = Node.create(
            village.folder / "new", "Alice", source("new computer"), village.now, entropy
        )
        village.nodes["Bob"].add(village.nodes["Alice"].invite(village.now), village.now)
        village.exchange()
        assert [contact.name for contact in village.nodes["Bob"].contacts()] == ["Alice"]
        village.send("Bob", "Alice", "is it you?")
        village.send("Alice", "Bob", "it is")
        village.exchange()
        assert village.read("Alice") == village.read("Bob") == []
        assert [contact.changed for contact in village.nodes["Bob"].contacts()] == [True]
        village.nodes["Bob"].people.answers.accept("Alice", True, village.now)
        village.exchange()
        assert ("Bob", "is it you?") in village.received("Alice")
        assert village.read("Bob") == [("Alice", "it is")]
