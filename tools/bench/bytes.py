"""Bytes on the air of one letter to a person and to a group, beside LXMF, Olm, Megolm, OMEMO and Meshtastic.

Everything that a carrier must hand on to deliver it: address, header, ciphertext, authentication. LXMF, Olm
and Megolm run; OMEMO and Meshtastic are computed from their specifications. Olm and Megolm have no address,
so theirs is less than a letter needs.
"""

import base64
import json
import os
import sys
import tempfile
from pathlib import Path

from hedgerow.groups import letter, limits
from hedgerow.groups.epoch import Chain
from hedgerow.groups.letter import Letter
from hedgerow.identity import keys
from hedgerow.log import entry
from hedgerow.ratchet import double_ratchet as ratchet
from hedgerow_core.envelope import NORMAL, TTL_DEFAULT, make

PEERS = ["lxmf", "rns", "vodozemac"]

NOW = 1_800_000_000_000
GOALS = {20: 96, 200: None}
GROUP_GOALS = {20: 160, 200: None}
_QUIET = "[reticulum]\nshare_instance = No\nenable_transport = No\n[logging]\nloglevel = 0\n[interfaces]\n"


def ours(characters: int) -> tuple[int, int]:
    """(bytes of the envelope, bytes of its proof) in a conversation of some turns."""
    private, root, ad = os.urandom(32), os.urandom(32), bytes(136)
    writer = ratchet.start_writer(root, ad, keys.dh_public(private), os.urandom)
    reader = ratchet.start_reader(root, ad, private)
    for sequence in range(1, 9):
        written = entry.Entry(entry.TEXT, sequence, 2 * sequence, sequence, NOW, "x" * characters)
        writer, lock, body, token = ratchet.encrypt(writer, entry.encode(written))
        reader, plaintext, _ = ratchet.decrypt(reader, ratchet.locks(reader)[lock], lock, body, os.urandom)
        assert entry.decode(plaintext).text == written.text
        writer, reader = reader, writer
    return len(make(NORMAL, TTL_DEFAULT, lock, body).encode()), len(token)


def to_group(characters: int) -> int:
    """Bytes of the one envelope that all members read, whose author signed it and acknowledges two others."""
    chain = Chain(os.urandom(32), os.urandom(32))
    group, epoch, seed = os.urandom(16), os.urandom(8), os.urandom(32)
    written = entry.Entry(entry.TEXT, 200, 400, 0, NOW, "x" * characters)
    references = tuple((os.urandom(4), 200) for _ in range(limits.REFERENCES))
    _, lock, body, _ = letter.seal(chain, group, epoch, seed, Letter(written, references))
    found = letter.open(chain, 0, group, epoch, keys.signing_public(seed), body)[1]
    assert found.entry.text == written.text
    return len(make(NORMAL, TTL_DEFAULT, lock, body, 0, True).encode())


def lxmf(sizes: list[int]) -> dict[int, int]:
    """The Reticulum packet of an opportunistic LXMF message. It runs with no interface at all."""
    import LXMF
    import RNS

    with tempfile.TemporaryDirectory(prefix="hedgerow-bench-") as folder:
        (Path(folder) / "config").write_text(_QUIET)
        RNS.Reticulum(configdir=folder, loglevel=0)
        ends = [RNS.Destination.OUT, RNS.Destination.IN]
        to, source = (
            RNS.Destination(RNS.Identity(), end, RNS.Destination.SINGLE, "lxmf", "delivery") for end in ends
        )
        found = {}
        for size in sizes:
            message = LXMF.LXMessage(
                to, source, "x" * size, title="", desired_method=LXMF.LXMessage.OPPORTUNISTIC
            )
            message.pack()
            # The packet names the destination, so the message leaves it out.
            packet = RNS.Packet(to, message.packed[RNS.Reticulum.TRUNCATED_HASHLENGTH // 8 :])
            packet.pack()
            found[size] = len(packet.raw)
        return found


def olm(size: int) -> tuple[int, int]:
    """(Olm, Megolm) of a session in which both have written."""
    import vodozemac

    one, other = vodozemac.Account(), vodozemac.Account()
    other.generate_one_time_keys(1)
    (key,) = other.one_time_keys.values()
    session = one.create_outbound_session(other.curve25519_key, key)
    answering, _ = other.create_inbound_session(one.curve25519_key, session.encrypt(b"hi").to_pre_key())
    session.decrypt(answering.encrypt(b"hi"))
    kind, message = session.encrypt(b"x" * size).to_parts()
    assert kind == 1
    return len(message), len(vodozemac.GroupSession().encrypt(b"x" * size).to_bytes())


def omemo(size: int) -> int:
    """The stanza of OMEMO 0.8 (XEP-0384) to one device, with the shortest names of its examples.

    Key and HMAC (48 bytes, padded to 64) in an OMEMOMessage in an OMEMOAuthenticatedMessage; the text in an
    envelope of XEP-0420, padded for AES-CBC.
    """
    message = 2 + 2 + (2 + 32) + (2 + 64)
    key = base64.b64encode(bytes(2 + 16 + 2 + message)).decode()
    content = (
        "<envelope xmlns='urn:xmpp:sce:1'><content><body xmlns='jabber:client'>"
        + "x" * size
        + "</body></content><rpad/></envelope>"
    )
    payload = base64.b64encode(bytes((len(content) // 16 + 1) * 16)).decode()
    stanza = (
        "<message to='b@x.org' from='a@x.org' id='1' type='chat'><encrypted xmlns='urn:xmpp:omemo:2'>"
        "<header sid='27183'><keys jid='b@x.org'><key rid='31415'>"
        f"{key}</key></keys></header><payload>{payload}</payload></encrypted>"
        "<store xmlns='urn:xmpp:hints'/></message>"
    )
    return len(stanza)


def meshtastic(size: int) -> int:
    """A direct message under public keys: header 16, nonce 4, tag 8, protobuf of port, text, bit field."""
    return 16 + 4 + 8 + 2 + (2 if size < 128 else 3) + size + 2


def meshtastic_channel(size: int) -> int:
    """A message to a channel, which everybody with its key can write: header 16, port, text, bit field."""
    return 16 + 2 + (2 if size < 128 else 3) + size + 2


def main(quick: bool) -> None:
    """A line for each size. Sizes do not depend on how long it runs."""
    del quick
    sizes = list(GOALS)
    beside: dict[int, dict[str, int]] = {size: {} for size in sizes}
    try:
        for size, count in lxmf(sizes).items():
            beside[size]["LXMF"] = count
    except ImportError:
        pass
    try:
        for size in sizes:
            beside[size]["Olm"], beside[size]["Megolm"] = olm(size)
    except ImportError:
        pass
    proof = 0
    for size in sizes:
        beside[size]["OMEMO"] = omemo(size)
        beside[size]["Meshtastic"] = meshtastic(size)
        count, proof = ours(size)
        how = (
            f"the envelope at its origin, {size} characters; Olm and Megolm without any address, Meshtastic"
            " without a ratchet and not for carriers that store"
        )
        print_line(f"dm_bytes_{size}", count, GOALS[size], beside[size], how)
        plain = "the same less the characters themselves"
        others = {name: bytes_ - size for name, bytes_ in beside[size].items()}
        print_line(f"dm_overhead_{size}", count - size, None, others, plain)
    for size in sizes:
        others = {"Meshtastic": meshtastic_channel(size)}
        others |= {name: bytes_ for name, bytes_ in beside[size].items() if name in ("Megolm", "LXMF")}
        how = (
            f"the envelope that all members read, {size} characters, signed; Megolm without any address,"
            " Meshtastic without signature or ratchet, of LXMF one for each member"
        )
        print_line(f"group_bytes_{size}", to_group(size), GROUP_GOALS[size], others, how)
    print_line(
        "dm_proof_bytes", proof, None, {}, "the proof that it was read, on its way back, without framing"
    )


def print_line(metric: str, value: int, goal: object, beside: dict[str, int], how: str) -> None:
    """One figure."""
    fields = {"metric": metric, "value": value, "unit": "bytes", "goal": goal, "peers": beside, "how": how}
    print(json.dumps(fields), flush=True)


if __name__ == "__main__":
    try:
        main("--quick" in sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    # Reticulum leaves threads behind.
    sys.stdout.flush()
    os._exit(0)
