"""However owners, guests and codes pair and unpair, somebody stays owner and the settings stay readable."""

from types import SimpleNamespace
from unittest.mock import MagicMock, patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_firmware import on_host

from hedgerow_board import changes, pairings, settings
from hedgerow_core import cbor, limits, manage, slots
from hedgerow_core.errors import HedgerowError

KEYS = [bytes([number]) * 32 for number in range(1, 10)]
FIRST = KEYS[0]

steps = st.lists(
    st.tuples(
        st.sampled_from(("pair", "unpair", "code", "set", "wait")),
        st.sampled_from((0, 0, *range(len(KEYS)))),  # who asks
        st.integers(0, len(KEYS) - 1),  # for whom
        st.sampled_from((manage.OWNER, manage.GUEST, manage.CODE)),
        st.sampled_from((0, 0, 5, 30)),  # when it ends
    ),
    min_size=20,
    max_size=60,
)


@pytest.fixture(scope="module")
def config():
    """What sets, without a board around it."""
    (found,) = on_host("config")
    with patch.object(found, "machine", SimpleNamespace(Pin=MagicMock(), ADC=MagicMock())):
        yield found


class Board:
    def __init__(self):
        self.now = 1
        self.fields = {"name": "mill", "mesh_key": bytes(32), "pairing_key": FIRST}
        self.codes = set()  # that worked

    @property
    def pairings(self):
        return settings.parse(slots.seal(1, cbor.encode(self.fields))).pairings

    def minute(self):
        return self.now

    def rights(self, key):
        for rights, expires, other in self.pairings:
            if other == key and not 0 < expires <= self.now:
                return rights
        return -1

    def ask(self, key, op, more):
        """As the board does it, on a copy that counts where it was done."""
        rights = self.rights(key)
        fields = dict(self.fields)
        own = rights == manage.GUEST and more == manage.pairing_id(key)
        if op == manage.UNPAIR and rights != manage.OWNER and not own:
            return manage.REFUSED
        reply, change = pairings.answer(self, fields, op, more, rights, key)
        if reply[0] == manage.DONE and rights == manage.CODE:
            assert key not in self.codes, "a code worked twice"
            self.codes.add(key)
        assert (change == changes.PARTS) == (reply[0] == manage.DONE)
        if reply[0] == manage.DONE:
            self.fields = fields
        return reply[0]


@given(steps)
def test_somebody_stays_owner_and_what_is_kept_stays_within_its_bounds(config, steps):
    board = Board()
    for what, asker, other, rights, end in steps:
        key, target = KEYS[asker], KEYS[other]
        before = board.rights(key)
        if what == "wait":
            board.now += end
        elif what == "set":
            config._set(board.fields, cbor.encode({"shelf_count": end}))
        elif what == "unpair":
            done = board.ask(key, manage.UNPAIR, manage.pairing_id(target))
            assert done != manage.DONE or before == manage.OWNER or key == target
            assert done != manage.DONE or board.rights(target) == -1
        else:
            op = manage.NEW_CODE if what == "code" else manage.PAIR
            board.codes.discard(target)
            done = board.ask(key, op, manage.encode_record(rights, end, target, "somebody"))
            if done == manage.DONE:
                assert before == manage.OWNER or (before, rights) == (manage.CODE, manage.OWNER)
                assert (what == "code") == (rights == manage.CODE)
        found = board.pairings
        assert any(one == manage.OWNER and not end for one, end, _ in found), "nobody owns the board"
        assert len(found) <= limits.PAIRINGS + 1
        assert len({key for _, _, key in found}) == len(found)
        assert sum(one == manage.CODE for one, _, _ in found) <= 1
        assert len(slots.seal(1, cbor.encode(board.fields))) <= limits.SETTINGS_BYTES


@given(st.dictionaries(st.one_of(st.text(max_size=12), st.integers(0, 9)), st.integers(-3, 99), max_size=4))
def test_no_setting_makes_settings_that_the_board_cannot_read(config, wanted):
    fields = {"name": "mill", "mesh_key": bytes(32), "pairing_key": FIRST}
    try:
        config._set(fields, cbor.encode(wanted))
    except HedgerowError:
        return
    settings.parse(slots.seal(1, cbor.encode(fields)))


@given(st.sampled_from(("shelf_count", "led_pin", "battery_ratio")), st.integers())
def test_a_number_is_taken_within_its_bounds_only(config, name, value):
    fields = {"name": "mill", "mesh_key": bytes(32), "pairing_key": FIRST}
    least, most = config._BOUNDS[config._COUNTS.split().index(name)]
    try:
        config._set(fields, cbor.encode({name: value}))
    except HedgerowError:
        assert not least <= value <= most
        return
    assert least <= value <= most and fields[name] == value
