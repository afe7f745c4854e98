"""Errors of core. Bytes from outside end in a value or in a ``PeerError``, never in anything else."""


class HedgerowError(Exception):
    """Something that Hedgerow was asked to do could not be done."""


class LimitError(HedgerowError):
    """A value of our own is past a bound of the protocol."""


class PeerError(HedgerowError):
    """The other side sent bytes that are not valid."""


class AuthError(PeerError):
    """The other side does not hold the key."""


class VersionError(PeerError):
    """The other side speaks another version of the protocol."""
