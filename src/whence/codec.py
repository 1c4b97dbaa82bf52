"""The messages that an application knows: by class when they are written, by name when read."""

from collections.abc import Iterable
from typing import Any

from whence.envelope import Recorded
from whence.errors import Undecodable, UnknownType, WiringError
from whence.forms import Form
from whence.messages import Kind, MessageType, describe, place


class Codec:
    """Writes and reads the messages of one kind that an application knows, by class and name."""

    def __init__(self, kind: Kind, classes: Iterable[type] = ()) -> None:
        self._kind: Kind = kind
        self._forms: dict[type, Form] = {}
        self._by_word: dict[str, Form] = {}
        for cls in classes:
            self.form(cls)

    def __copy__(self) -> "Codec":
        other = Codec(self._kind)
        other._forms, other._by_word = {**self._forms}, {**self._by_word}
        return other

    def form(self, cls: type) -> Form:
        """How ``cls`` is written and read; one not seen before is taken in.

        Raises `WiringError` if it is no message of this kind, or if its name is taken.
        """
        found = self._forms.get(cls)
        return self._take_in(describe(cls, self._kind)) if found is None else found

    def _take_in(self, message: MessageType) -> Form:
        twin = self._by_word.get(message.name)
        if twin is not None:
            raise WiringError(
                f"two classes are called {message.name!r}: {place(twin.cls)} and"
                f' {place(message.cls)}. Give one another name: @{message.kind}("...")'
            )
        form = self._forms[message.cls] = Form(message)
        self._by_word |= dict.fromkeys(message.words, form)
        return form

    @property
    def messages(self) -> list[MessageType]:
        """Every message type known so far."""
        return [form.message for form in self._forms.values()]

    def named(self, word: str) -> Form | None:
        """The form of the events stored under ``word``; None if there is none."""
        return self._by_word.get(word)

    def decode(self, recorded: Recorded) -> Any:
        """The typed event. Raises `UnknownType` or `Undecodable`, naming place and remedy."""
        form = self._by_word.get(recorded.type)
        if form is None:
            raise unknown_type(recorded)
        try:
            return form.decode(recorded.data)
        except (ValueError, TypeError) as error:
            raise undecodable(recorded, form, error) from error


def unknown_type(recorded: Recorded) -> UnknownType:
    """No class reads ``recorded``: where it is, and what to do."""
    return UnknownType(
        f"no event is called {recorded.type!r}, which is stored at {_where(recorded)}. If its"
        f' class was renamed, keep the stored name: @event("{recorded.type.partition("@")[0]}");'
        " if a newer version of the application wrote it, run that version. Nothing was changed"
    )


def undecodable(recorded: Recorded, form: Form, error: Exception) -> Undecodable:
    """``form`` cannot read ``recorded``: where it is, and what to do."""
    return Undecodable(
        f"the {recorded.type!r} at {_where(recorded)} does not fit {place(form.cls)}: {error}."
        " Fields may be added with a default, never renamed or removed. Nothing was changed"
    )


def _where(recorded: Recorded) -> str:
    stream = f" ({recorded.stream} version {recorded.version})" if recorded.stream else ""
    return f"position {recorded.position}{stream}"
