"""A board without valid settings says what to do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgerow_board.settings import SettingsError, load
from hedgerow_core import cbor

GOOD = {"name": "mill", "mesh_key": bytes(32), "pairing_key": bytes(range(32))}


def test_good_settings_are_read(tmp_path):
    path = tmp_path / "settings"
    path.write_bytes(cbor.encode({**GOOD, "beacon_ms": 1000, "profile": "relay"}))
    settings = load(str(path))
    assert (settings.name, settings.mesh_key, settings.pairing_key) == tuple(GOOD.values())


def test_no_settings_is_one_sentence(tmp_path):
    with pytest.raises(SettingsError, match="no settings: flash it"):
        load(str(tmp_path / "settings"))


@pytest.mark.parametrize("key", ["mesh_key", "pairing_key"])
@pytest.mark.parametrize("value", [b"short", "text", 5])
def test_a_missing_or_wrong_key_is_named(tmp_path, key, value):
    path = tmp_path / "settings"
    path.write_bytes(cbor.encode({**GOOD, key: value}))
    with pytest.raises(SettingsError, match=key):
        load(str(path))


@given(st.binary(max_size=600))
def test_damaged_settings_never_end_in_anything_but_a_sentence(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("settings") / "settings"
    path.write_bytes(data)
    with pytest.raises(SettingsError):
        load(str(path))
