"""Messages from the command line: ``field=value``, ``field:=json`` and JSON objects."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec

from whence.cli.exits import UsageError
from whence.codec import Codec
from whence.errors import Invalid
from whence.forms import Form

T = TypeVar("T")

_NO_TEXT = ("Expected `array", "Expected `object")
_MADE_BY = {
    "command": "Pass the aggregates that decide commands to App(...)",
    "query": "Decorate the functions that answer queries with @app.answers",
}


def make(
    codec: Codec, kind: str, word: str, fields: Sequence[str], given: str | None = None
) -> Any:
    """The command or query (``kind``) that is called ``word``. Raises `Invalid`.

    ``given`` is a JSON object, or ``-`` to read one from the standard input.
    """
    form = named(codec, kind, word)
    values = {} if given is None else _object(given)
    texts = pairs(fields)
    try:
        return form.convert(values | texts, strict=not fields)
    except Invalid as invalid:
        for name, problem in invalid.fields.items():
            if isinstance(texts.get(name), str) and problem.startswith(_NO_TEXT):
                invalid.add_note(f"{name} is written as JSON: {name}:=[...] or {name}:={{...}}")
        raise


def named(codec: Codec, kind: str, word: str) -> Form:
    """The form of the message that is called ``word``. Raises `UsageError`, naming all."""
    form = codec.named(word)
    if form is None:
        if not codec.messages:
            raise UsageError(f"no {kind} is called {word!r}: there is none yet. {_MADE_BY[kind]}")
        known = sorted(message.word for message in codec.messages)
        raise UsageError(unknown(kind, word, known))
    return form


def pairs(texts: Sequence[str]) -> dict[str, Any]:
    """``name=value`` as text, ``name:=value`` as JSON. Raises `UsageError` for anything else."""
    found: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{text!r} is no field: write name=value, or name:=json")
        field = name.removesuffix(":")
        if field in found:
            raise UsageError(f"{field} is said twice: say it once")
        found[field] = value if field == name else _json_of(field, value)
    return found


def unknown(kind: str, word: str, known: Sequence[str]) -> str:
    """There is no ``kind`` called ``word``: what there is, and what may be meant."""
    near = get_close_matches(word, known, 1)
    guess = f" Did you mean {near[0]}?" if near else ""
    return f"no {kind} is called {word!r}.{guess} There are: {', '.join(known) or 'none'}"


def _json_of(field: str, text: str) -> object:
    try:
        return _json(text, f"the value of {field}", object)
    except UsageError as error:
        error.add_note(f"{field}={text} says it as text.")
        raise


def _object(text: str) -> dict[str, Any]:
    return _json(sys.stdin.read() if text == "-" else text, "--json-input", dict[str, Any])


def _json(text: str, what: str, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise UsageError(f'{what} takes an object, as in {{"account_id": "ACC1"}}') from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{what} is not JSON: {error}") from error
