"""What a user does with groups, each as one transaction; groups are named as they are called here."""

from typing import TYPE_CHECKING

from hedgerow.groups.book import Group

if TYPE_CHECKING:
    from hedgerow.desk import Desk


class GroupCommands:
    """For ``Node.groups``; the errors are those of ``hedgerow.groups.book``."""

    def __init__(self, desk: "Desk") -> None:
        self._desk = desk

    def all(self) -> list[Group]:
        """Every group that we are or were in."""
        return self._desk.groups.all()

    def create(self, name: str, people: list[str], now: int) -> None:
        """Begin a group with some contacts."""
        with self._desk.changing(now):
            self._desk.groups.create(name, people, now)
        self._desk.send_waiting(now)

    def add(self, name: str, people: list[str], now: int) -> None:
        """Take contacts in."""
        with self._desk.changing(now):
            self._desk.groups.add(self._desk.groups.named(name), people, now)
        self._desk.send_waiting(now)

    def remove(self, name: str, member: str, now: int) -> None:
        """Put a member out."""
        with self._desk.changing(now):
            self._desk.groups.remove(self._desk.groups.named(name), member, now)
        self._desk.send_waiting(now)

    def promote(self, name: str, member: str, now: int) -> None:
        """Make a member an admin."""
        with self._desk.changing(now):
            self._desk.groups.promote(self._desk.groups.named(name), member, now)
        self._desk.send_waiting(now)

    def rename(self, name: str, new: str, now: int) -> None:
        """Give a group another name."""
        with self._desk.changing(now):
            self._desk.groups.rename(self._desk.groups.named(name), new, now)
        self._desk.send_waiting(now)

    def invite(self, name: str, now: int, days: int | None = None) -> str:
        """An invite as a URI: who adds it waits for our yes, and is a contact and a member then. NotAdmin."""
        group = self._desk.groups.named(name)
        self._desk.groups.check_admin(group)
        return self._desk.inviting.create(now, days, many=True, for_group=group)

    def leave(self, name: str, now: int) -> None:
        """Go."""
        with self._desk.changing(now):
            self._desk.groups.leave(self._desk.groups.named(name), now)
        self._desk.send_waiting(now)
