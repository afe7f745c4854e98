"""What an owner may set on a board, as people write it."""

from hedgerow import errors
from hedgerow.boards.naming import checked_name
from hedgerow.boards.settings import PROFILES
from hedgerow_core import limits, sleep

_PINS = (-1, 48)
_NUMBERS = {
    "shelf_count": (0, limits.BOARD_LETTERS),
    "battery_pin": _PINS,
    "battery_ratio": (100, 10_000),
    "led_pin": _PINS,
    "button_pin": _PINS,
    "sleep_awake": (0, 1_440),
    "sleep_cycle": (0, 1_440),
}
_TRUTHS = ("trace", "led_low")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_DEFAULT = "default"
SETTINGS = ("name", "profile", *_TRUTHS, *_NUMBERS)


def settings_of(texts: list[str]) -> dict[str, object]:
    """Settings as people write them, each "name=value"; None for a default. BadSetting, BadBoardName."""
    wanted: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise errors.BadSetting(name=text, reason="write SETTING=VALUE")
        wanted[name] = _setting(name, value)
    _check_sleep(wanted)
    return wanted


def _setting(name: str, text: str) -> object:
    if name not in SETTINGS:
        raise errors.BadSetting(name=name, reason=f"the settings are {', '.join(SETTINGS)}")
    if text == _DEFAULT and name != "name":
        return None
    if name == "name":
        return checked_name(text)
    if name == "profile":
        if text not in PROFILES:
            raise errors.BadSetting(name=name, reason=f"it is one of {', '.join(PROFILES)}")
        return text
    if name in _TRUTHS:
        if text not in _WORDS:
            raise errors.BadSetting(name=name, reason="it is on or off")
        return _WORDS[text]
    least, most = _NUMBERS[name]
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise errors.BadSetting(name=name, reason=f"it is a number from {least} to {most}")
    return number


def _check_sleep(wanted: dict[str, object]) -> None:
    """BadSetting where these settings would let a board sleep without meeting anybody."""
    if "sleep_awake" in wanted or "sleep_cycle" in wanted:
        awake, cycle = wanted.get("sleep_awake") or 0, wanted.get("sleep_cycle") or 0
        whole = "sleep_awake" in wanted and "sleep_cycle" in wanted
        if not (whole and isinstance(awake, int) and isinstance(cycle, int) and sleep.valid(awake, cycle)):
            reason = (
                f"set both: sleep_awake from {sleep.AWAKE_LEAST} on, and less than sleep_cycle; 0 and 0: none"
            )
            raise errors.BadSetting(name="sleep_cycle", reason=reason)
