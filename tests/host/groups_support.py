"""What the tests of groups share: devices with their own view of a group."""

from people_support import person, source

from hedgerow.groups import operation
from hedgerow.groups.membership import Membership


class Replica:
    """One device with its own view of a group."""

    def __init__(self, name):
        self.name = name
        self.account = person(name)
        self.state = Membership()
        self.sequence = 0

    @property
    def card(self):
        return self.account.card(self.name)

    def take(self, *data):
        for one in data:
            self.state = self.state.take(one)

    def next(self):
        self.sequence += 1
        return self.account.device_seed, self.state.group, self.sequence, self.state.heads

    def create(self):
        self.sequence += 1
        made = operation.create(
            self.account.device_seed, self.sequence, "the lane", self.card, source(self.name)
        )
        return self._did(made)

    def add(self, other):
        return self._did(operation.add(*self.next(), other.card, 1))

    def promote(self, other):
        return self._did(operation.promote(*self.next(), other.account.account_key))

    def remove(self, other, last=10):
        lasts = ((other.account.device_key, last),)
        return self._did(operation.remove(*self.next(), other.account.account_key, lasts))

    def leave(self):
        lasts = ((self.account.device_key, self.sequence + 1),)
        return self._did(operation.leave(*self.next(), self.account.account_key, lasts))

    def rename(self, name):
        return self._did(operation.rename(*self.next(), name))

    def _did(self, data):
        self.take(data)
        return data

    @property
    def names(self):
        return sorted(member.name for member in self.state.members.accounts.values())

    @property
    def admins(self):
        return sorted(member.name for member in self.state.members.accounts.values() if member.admin)


def village(*names, admins=()):
    """Replicas of a group that the first one began, all with the same operations."""
    found = [Replica(name) for name in names]
    first = found[0]
    first.create()
    for other in found[1:]:
        first.add(other)
    for other in found[1:]:
        if other.name in admins:
            first.promote(other)
    for other in found[1:]:
        other.take(*first.state.operations())
    return found
