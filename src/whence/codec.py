"""Objects to bytes and back: plain JSON, whatever kind of class a message is.

Dataclasses, msgspec Structs and attrs classes go through msgspec, Pydantic's through Pydantic's
own validator (msgspec would read a Pydantic dataclass and skip its constraints). The stored form
is tied to no class library. Messages from outside are read strictly: every bad field is named.
"""

import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Union, cast, get_args, get_origin

import msgspec

from whence.envelope import Recorded
from whence.errors import Invalid, Undecodable, UnknownType, WiringError
from whence.messages import Field, Kind, MessageType, describe, place

Decode = Callable[[bytes], Any]


def to_plain(value: Any) -> Any:
    """What msgspec cannot write itself, in a form that it can: Pydantic models."""
    serializer = getattr(value, "__pydantic_serializer__", None)
    if serializer is None:
        raise TypeError(f"cannot store a {type(value).__name__}")
    return serializer.to_python(value, mode="json")


def from_plain(cls: type, value: Any) -> Any:
    """The reverse of `to_plain`."""
    validator = getattr(cls, "__pydantic_validator__", None)
    if validator is None:
        raise TypeError(f"cannot read a {cls.__name__}")
    return validator.validate_python(value)


def to_builtins(value: object) -> Any:
    """``value`` as JSON-like dicts, lists and scalars, for output and comparison."""
    return msgspec.to_builtins(value, enc_hook=to_plain, str_keys=True)


def to_json(value: object) -> bytes:
    """``value`` as JSON text."""
    return _encoder.encode(value)


_encoder = msgspec.json.Encoder(enc_hook=to_plain)


class Form:
    """How one class of messages is written, read, converted and checked."""

    def __init__(self, message: MessageType) -> None:
        self.message = message
        self.cls = message.cls
        self._validator = getattr(self.cls, "__pydantic_validator__", None)
        self.encode: Callable[[Any], bytes] = _encoder.encode
        self.decode: Decode
        if self._validator is not None:
            self.encode = self.cls.__pydantic_serializer__.to_json  # type: ignore[attr-defined]
            self.decode = self._validator.validate_json
        else:
            _storable(message)
            self.decode = msgspec.json.Decoder(self.cls, dec_hook=from_plain).decode
        self._exact = [(f.name, _exact(f.type)) for f in message.fields]
        self._tags = [(f.name, f.tag) for f in message.fields if f.tag]

    def tags(self, event: object) -> tuple[str, ...]:
        """The tags that the event's fields declare."""
        if not self._tags:
            return ()
        found = (tag for name, mark in self._tags for tag in mark.of(getattr(event, name)))
        return tuple(dict.fromkeys(found))

    def check(self, message: object) -> None:
        """Raise `Invalid`, naming every bad field, unless each fits its annotation."""
        for name, exact in self._exact:
            if type(getattr(message, name)) not in exact:
                break
        else:
            return
        if self._validator is None:
            self._check_slowly(message)

    def convert(self, values: Mapping[str, Any], *, strict: bool = False) -> Any:
        """Make a message from outside values. Raises `Invalid` with every bad field at once.

        Not ``strict``: text from forms and command lines may stand for numbers and the like.
        """
        known = {field.name for field in self.message.fields}
        bad = {name: "no such field" for name in values if name not in known}
        if self._validator is not None:
            return self._convert_pydantic(values, bad, strict)
        good: dict[str, Any] = {}
        for field in self.message.fields:
            if field.name in values:
                _convert(field, values[field.name], strict, good, bad)
            elif field.required:
                bad[field.name] = "is missing"
        if bad:
            raise Invalid(self.cls.__name__, bad)
        return self.cls(**good)

    def _check_slowly(self, message: object) -> None:
        bad: dict[str, str] = {}
        for field in self.message.fields:
            value = getattr(message, field.name)
            if type(value) not in _exact(field.type):
                try:
                    value = to_builtins(value)
                except TypeError as error:
                    bad[field.name] = str(error)
                else:
                    _convert(field, value, True, {}, bad)
        if bad:
            raise Invalid(self.cls.__name__, bad)

    def _convert_pydantic(
        self, values: Mapping[str, Any], bad: dict[str, str], strict: bool
    ) -> Any:
        assert self._validator is not None
        try:
            # JSON knows no dates or ids: strictness about types is for Pydantic's own settings.
            made = self._validator.validate_python(dict(values))
        except ValueError as error:
            bad |= _problems(error)
        else:
            if not bad:
                return made
        raise Invalid(self.cls.__name__, bad)


class Codec:
    """Writes and reads the messages of one kind that an application knows, by class and name."""

    def __init__(self, kind: Kind, classes: Iterable[type] = ()) -> None:
        self._kind: Kind = kind
        self._forms: dict[type, Form] = {}
        self._by_word: dict[str, Form] = {}
        for cls in classes:
            self.form(cls)

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


def _problems(error: Any) -> dict[str, str]:
    """The bad fields that a Pydantic error names."""
    found: list[dict[str, Any]] = error.errors()
    return {".".join(map(str, one["loc"])) or "message": one["msg"] for one in found}


def _convert(
    field: Field, value: Any, strict: bool, good: dict[str, Any], bad: dict[str, str]
) -> None:
    try:
        good[field.name] = msgspec.convert(value, field.type, strict=strict, dec_hook=from_plain)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        bad[field.name] = str(error)


def _exact(hint: Any) -> frozenset[type]:
    """The classes whose instances fit ``hint`` without a closer look; empty: always look."""
    if get_origin(hint) in (Union, types.UnionType):
        parts = [_exact(part) for part in get_args(hint)]
        return frozenset[type]().union(*parts) if all(parts) else frozenset()
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        return frozenset() if any(isinstance(m, msgspec.Meta) for m in marks) else _exact(inner)
    plain = isinstance(hint, type) and hint in (str, int, bool, float, bytes, type(None))
    return frozenset({hint}) if plain else frozenset()


def _storable(message: MessageType) -> None:
    """Raise `WiringError` unless every field can be written and read back."""
    for field in message.fields:
        try:
            msgspec.json.Decoder(field.type, dec_hook=from_plain)
            foreign = _foreign(msgspec.inspect.type_info(field.type), set())
        except TypeError as error:
            raise WiringError(f"{message}: field {field.name}: {error}") from error
        if foreign is not None:
            raise WiringError(
                f"{message}: field {field.name}: a {foreign.__name__} cannot be stored;"
                " make it a dataclass, msgspec Struct, attrs class or Pydantic model"
            )


def _foreign(info: Any, seen: set[type]) -> type | None:
    """A class inside ``info`` that neither msgspec nor Pydantic can write; None without one."""
    if isinstance(info, msgspec.inspect.CustomType):
        return None if hasattr(info.cls, "__pydantic_validator__") else info.cls
    cls = getattr(info, "cls", None)
    if cls in seen or not isinstance(info, (msgspec.inspect.Type, msgspec.inspect.Field)):
        return None
    if cls is not None:
        seen.add(cls)
    for name in info.__struct_fields__:
        part = getattr(info, name)
        inner = cast(tuple[object, ...], part) if isinstance(part, tuple) else (part,)
        if found := next((found for one in inner if (found := _foreign(one, seen))), None):
            return found
    return None
