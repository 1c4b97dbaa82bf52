"""Opt-in token: a sign-up is confirmed once, in time, with the token that was sent."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

from whence import App, DecisionModel, Rejected, Tag, command, event, evolve
from whence.testing import given

from .words import NOW, ago, hashed

app = App("sign-ups", store="memory://")

Email = Annotated[str, Tag("email", hashed)]
Otp = Annotated[str, Tag("otp")]


@event
class SignUpInitiated:
    email: Email
    otp: Otp
    name: str
    at: datetime


@event
class SignUpConfirmed:
    email: Email
    otp: Otp
    name: str


@command
class ConfirmSignUp:
    email: str
    otp: str
    at: datetime = NOW


class PendingSignUp(DecisionModel):
    email: Email
    otp: Otp
    name: str | None = None
    since: datetime | None = None
    used = False

    @evolve
    def _(self, event: SignUpInitiated) -> None:
        self.name, self.since = event.name, event.at

    @evolve
    def _(self, event: SignUpConfirmed) -> None:
        self.used = True


@app.decides
def confirm(command: ConfirmSignUp, pending: PendingSignUp) -> Iterator[object]:
    if pending.name is None or pending.since is None:
        raise Rejected("No pending sign-up for this OTP / email address")
    if pending.used:
        raise Rejected("OTP was already used")
    if command.at - pending.since > timedelta(minutes=60):
        raise Rejected("OTP expired")
    yield SignUpConfirmed(command.email, command.otp, pending.name)


def initiated(otp: str, minutes: float = 1, name: str = "John Doe") -> SignUpInitiated:
    return SignUpInitiated("john@example.com", otp, name, ago(minutes=minutes))


NONE_PENDING = "No pending sign-up for this OTP / email address"


def test_only_what_was_initiated_can_be_confirmed() -> None:
    given(confirm).when(ConfirmSignUp("john@example.com", "000000")).then_rejected(NONE_PENDING)
    given(confirm, initiated("111111")).when(
        ConfirmSignUp("jane@example.com", "111111")
    ).then_rejected(NONE_PENDING)
    given(confirm, initiated("111111")).when(
        ConfirmSignUp("john@example.com", "000000")
    ).then_rejected(NONE_PENDING)


def test_a_token_is_used_once() -> None:
    given(
        confirm,
        initiated("222222"),
        SignUpConfirmed("john@example.com", "222222", "John Doe"),
    ).when(ConfirmSignUp("john@example.com", "222222")).then_rejected("OTP was already used")


def test_a_confirmation_has_the_name_from_the_beginning() -> None:
    given(confirm, initiated("444444")).when(ConfirmSignUp("john@example.com", "444444")).then(
        SignUpConfirmed("john@example.com", "444444", "John Doe")
    )


def test_a_token_expires_after_an_hour() -> None:
    late = given(confirm, initiated("333333", minutes=61))
    late.when(ConfirmSignUp("john@example.com", "333333")).then_rejected("OTP expired")
    just = given(confirm, initiated("333333", minutes=60))
    just.when(ConfirmSignUp("john@example.com", "333333")).then(
        SignUpConfirmed("john@example.com", "333333", "John Doe")
    )
