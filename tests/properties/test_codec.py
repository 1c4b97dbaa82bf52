"""Whatever is stored comes back equal and of the same types, whatever kind of class it is."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from types import GenericAlias
from typing import Any, cast
from uuid import UUID

import attrs
import msgspec
import pydantic
from hypothesis import given
from hypothesis import strategies as st
from pydantic.dataclasses import dataclass as pydantic_dataclass

from whence import event
from whence.errors import Unstorable
from whence.forms import Form
from whence.messages import describe
from whence.storable import field_names


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


Values = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Typed:
    """An annotation, and what fits it."""

    hint: Any
    values: Values
    pydantic: bool = True
    """Whether Pydantic can make it."""


_zones = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
KEYS = [
    Typed(str, st.text()),
    Typed(int, st.integers()),
    Typed(UUID, st.uuids()),
    Typed(date, st.dates()),
    Typed(Colour, st.sampled_from(Colour)),
    Typed(Level, st.sampled_from(Level)),
]
SCALARS = [
    *KEYS,
    Typed(bool, st.booleans()),
    Typed(float, st.floats(allow_nan=False, allow_infinity=False)),
    Typed(bytes, st.binary()),
    Typed(Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    Typed(time, st.times()),
    Typed(timedelta, st.timedeltas()),
    Typed(datetime, st.datetimes(timezones=st.just(UTC) | _zones | st.none())),
    Typed(int | str, st.integers() | st.text()),
]


def _of(container: type, *hints: Any) -> Any:
    return GenericAlias(container, hints)


def _some(typed: Typed) -> st.SearchStrategy[list[Any]]:
    return st.lists(typed.values, max_size=3)


def containers(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    return st.one_of(
        inner.map(lambda t: Typed(t.hint | None, t.values | st.none(), t.pydantic)),
        inner.map(lambda t: Typed(_of(list, t.hint), _some(t), t.pydantic)),
        inner.map(lambda t: Typed(_of(tuple, t.hint, ...), _some(t).map(tuple), t.pydantic)),
        st.tuples(inner, inner).map(
            lambda p: Typed(
                _of(tuple, p[0].hint, p[1].hint),
                st.tuples(p[0].values, p[1].values),
                p[0].pydantic and p[1].pydantic,
            )
        ),
        st.sampled_from(KEYS).map(
            lambda k: Typed(_of(set, k.hint), st.sets(k.values, max_size=3))
        ),
        st.sampled_from(KEYS).map(
            lambda k: Typed(_of(frozenset, k.hint), st.frozensets(k.values, max_size=3))
        ),
        st.tuples(st.sampled_from(KEYS), inner).map(
            lambda p: Typed(
                _of(dict, p[0].hint, p[1].hint),
                st.dictionaries(p[0].values, p[1].values, max_size=3),
                p[1].pydantic,
            )
        ),
        st.builds(_class, st.sampled_from([*MAKERS]), st.lists(inner, min_size=1, max_size=3)),
    )


def _plain(fields: dict[str, Any]) -> type[Any]:
    return make_dataclass("Plain", fields.items(), frozen=True)


def _struct(fields: dict[str, Any]) -> type[Any]:
    return msgspec.defstruct("Struct", list(fields.items()), frozen=True)


def _attrs(fields: dict[str, Any]) -> type[Any]:
    made: Any = attrs.make_class("Attrs", {n: attrs.field(type=t) for n, t in fields.items()})
    return cast(type[Any], made)


_CONFIG = pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


def _model(fields: dict[str, Any]) -> type[Any]:
    defined: dict[str, Any] = {name: (hint, ...) for name, hint in fields.items()}
    made: type[Any] = pydantic.create_model("Model", __config__=_CONFIG, **defined)
    return made


def _pydantic(fields: dict[str, Any]) -> type[Any]:
    body = {"__annotations__": fields, "__module__": __name__}
    return pydantic_dataclass(type("Pydantic", (), body), config=_CONFIG)


MAKERS: dict[str, Callable[[dict[str, Any]], type[Any]]] = {
    "dataclass": _plain,
    "struct": _struct,
    "attrs": _attrs,
    "model": _model,
    "pydantic": _pydantic,
}


def _class(kind: str, inner: list[Typed]) -> Typed:
    if kind in ("model", "pydantic") and not all(t.pydantic for t in inner):
        kind = "dataclass"
    named = {f"field_{n}": typed for n, typed in enumerate(inner)}
    cls = MAKERS[kind]({name: typed.hint for name, typed in named.items()})
    values = st.fixed_dictionaries({name: typed.values for name, typed in named.items()})
    readable = kind not in ("struct", "attrs") and all(t.pydantic for t in inner)
    return Typed(cls, values.map(lambda v: cls(**v)), readable)


typed = st.recursive(st.sampled_from(SCALARS), containers, max_leaves=6)


def alike(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(one) is not type(other):
        return False
    kind = cast(Any, type(one))
    if kind is dict:
        keys: set[Any] = set(one)
        return keys == set(other) and all(alike(one[key], other[key]) for key in keys)
    if kind in (list, tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if kind in (set, frozenset):
        return {(type(each), each) for each in one} == {(type(each), each) for each in other}
    if kind is datetime:
        return bool(one == other and one.utcoffset() == other.utcoffset())
    if names := field_names(kind):
        return all(alike(getattr(one, name), getattr(other, name)) for name in names)
    return bool(one == other)


@given(st.data(), st.sampled_from([*MAKERS]), st.lists(typed, min_size=1, max_size=3))
def test_an_event_comes_back_as_it_was(
    data: st.DataObject, kind: str, fields: list[Typed]
) -> None:
    made = _class(kind, fields)
    form = Form(describe(event(made.hint)))
    value = data.draw(made.values)
    again = form.decode(form.keep(value))
    assert again == value
    assert alike(again, value)
    form.check(value)


_anything = st.recursive(
    st.one_of(*(typed.values for typed in SCALARS), st.floats(), st.decimals(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text() | st.integers() | st.booleans(), inner, max_size=3),
    ),
    max_leaves=5,
)


@given(typed, _anything)
def test_what_does_not_fit_its_annotation_is_refused_or_comes_back_equal(
    typed: Typed, value: Any
) -> None:
    cls = _class("dataclass", [typed]).hint
    form = Form(describe(event(cls)))
    with suppress(Unstorable):
        assert form.decode(form.keep(cls(value))) == cls(value)
