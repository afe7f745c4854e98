"""A new device on the same network: what it needs is handed over once, and nonsense is no hindrance."""

import socket
import threading

import pytest
from node_support import Village

from hedgerow import errors
from hedgerow.links import lan

ALICE, TABLET = "Alice", "the tablet"


@pytest.fixture
def village():
    with Village(ALICE, TABLET) as found:
        yield found


def waiting_for(take):
    """(address, a thread that waits there for one computer)."""
    listening = lan.listen()
    port = listening.getsockname()[1]
    thread = threading.Thread(target=lambda: (lan.answer(listening, take), listening.close()), daemon=True)
    thread.start()
    return f"127.0.0.1:{port}", thread


def test_a_device_joins_over_the_network_and_both_hear_of_each_other(village):
    alice, tablet = village.nodes[ALICE], village.nodes[TABLET]
    device = alice.add_device(tablet.join_code("tablet", village.now), 0, village.now)
    whole, came = alice.bundle_for(device), []
    address, thread = waiting_for(lambda theirs: (came.append(theirs), b"hedgerow letters\n")[1])
    answer = lan.hand_over(address, whole)
    thread.join(10)
    assert came == [whole] and answer == b"hedgerow letters\n"
    tablet.take_bundle(came[0], village.now)
    assert tablet.joined == ALICE


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x09short"])
def test_who_sends_nonsense_or_hangs_up_ends_only_his_own_visit(sent):
    listening = lan.listen()
    visitor = socket.create_connection(("127.0.0.1", listening.getsockname()[1]))
    visitor.sendall(sent)
    visitor.close()
    assert lan.answer(listening, lambda theirs: theirs) is False
    listening.close()


@pytest.mark.parametrize("address", ["", "here", "1.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:99999", ":80"])
def test_an_address_that_is_none_is_a_sentence(address):
    with pytest.raises(errors.BadAddress):
        lan.hand_over(address, b"")


def test_nobody_at_the_address_is_a_sentence():
    listening = lan.listen()
    port = listening.getsockname()[1]
    listening.close()
    with pytest.raises(errors.LanUnreachable):
        lan.hand_over(f"127.0.0.1:{port}", b"")


def test_the_address_that_is_shown_is_one_to_connect_to():
    listening = lan.listen()
    host, _, port = lan.address_of(listening).rpartition(":")
    assert host and int(port) == listening.getsockname()[1]
    listening.close()
