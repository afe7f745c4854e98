"""Numbers and settings as people read them."""

from hedgerow.cli.terminal import shown


def hours(seconds: int) -> str:
    """3:05 for three hours and five minutes."""
    whole, minutes = divmod(seconds // 60, 60)
    return f"{whole}:{minutes:02}"


def counted(number: int, one: str, more: str = "") -> str:
    """ "1 letter", "2,000 letters"."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def spoken(value: object) -> str:
    """A setting as people read it; what is no setting as it is."""
    return ("on" if value else "off") if isinstance(value, bool) else shown(str(value))
