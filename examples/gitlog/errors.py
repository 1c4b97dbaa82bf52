"""What can be wrong with what we are asked to read, or asked about."""

from whence import WhenceError


class NoHistory(WhenceError):
    """This is no history that we can read: neither a git repository nor a saved one."""


class NoSuchMoment(WhenceError):
    """No commit, or more than one, is meant by this."""
