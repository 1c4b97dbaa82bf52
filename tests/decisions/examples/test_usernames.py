"""Unique username: claimed by one, and kept for a while after it was left."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

import pytest

from whence import App, DecisionModel, Rejected, Tag, command, event, evolve
from whence.testing import given

from .words import NOW, ago, hashed

app = App("usernames", store="memory://")

Username = Annotated[str, Tag("username", hashed)]
RETENTION = timedelta(days=3)


@event
class AccountRegistered:
    username: Username
    at: datetime


@event
class AccountClosed:
    username: Username
    at: datetime


@event
class UsernameChanged:
    old_username: Username
    new_username: Username
    at: datetime


@command
class RegisterAccount:
    username: str
    at: datetime = NOW


class Claim(DecisionModel):
    """Who has a name, and until when it is kept for him who had it."""

    username: Username
    claimed = False
    until: datetime | None = None

    @evolve
    def _(self, event: AccountRegistered) -> None:
        self.claimed = True

    @evolve
    def _(self, event: AccountClosed) -> None:
        self._leave(event.at)

    @evolve
    def _(self, event: UsernameChanged) -> None:
        if hashed(event.new_username) == hashed(self.username):
            self.claimed = True
        else:
            self._leave(event.at)

    def _leave(self, at: datetime) -> None:
        self.claimed, self.until = False, at + RETENTION


@app.decides
def register(command: RegisterAccount, claim: Claim) -> Iterator[object]:
    if claim.claimed or (claim.until and command.at <= claim.until):
        raise Rejected(f'Username "{command.username}" is claimed')
    yield AccountRegistered(command.username, command.at)


registered = AccountRegistered("u1", ago(days=4))
taken = 'Username "u1" is claimed'


def test_a_username_is_registered_once() -> None:
    given(register).when(RegisterAccount("u1")).then(AccountRegistered("u1", NOW))
    given(register, registered).when(RegisterAccount("u1")).then_rejected(taken)
    given(register, registered).when(RegisterAccount("u2")).then(AccountRegistered("u2", NOW))


def test_a_username_is_the_same_in_capitals() -> None:
    given(register, AccountRegistered("jamesbond", ago(days=1))).when(
        RegisterAccount("JamesBond")
    ).then_rejected('Username "JamesBond" is claimed')


@pytest.mark.parametrize(("days", "free"), [(0, False), (3, False), (4, True)])
def test_a_username_is_kept_for_three_days_after_it_was_left(days: int, free: bool) -> None:
    for left in (
        AccountClosed("u1", ago(days=days)),
        UsernameChanged("u1", "u1changed", ago(days=days)),
    ):
        outcome = given(register, registered, left).when(RegisterAccount("u1"))
        if free:
            outcome.then(AccountRegistered("u1", NOW))
        else:
            outcome.then_rejected(taken)


def test_a_username_that_somebody_changed_to_is_taken() -> None:
    changed = UsernameChanged("u1", "u1changed", ago(days=9))
    given(register, registered, changed).when(RegisterAccount("u1changed")).then_rejected(
        'Username "u1changed" is claimed'
    )
