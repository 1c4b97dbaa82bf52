"""Which process this is.

The system is asked once and after each fork, not each time: that would take a call of it.
"""

import os

_this = [os.getpid()]


def this_process() -> int:
    """Its number. After a fork, that of the child."""
    return _this[0]


def _forked() -> None:
    _this[0] = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
