"""Clocks, chance and I/O are found where a fold would use them, and nothing else is."""

import asyncio
import datetime as dt
import io
import logging
import os
import random
import secrets
import time
import urllib.parse
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from os import getenv
from random import randint
from time import time as seconds
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from whence.purity import impurity

log = logging.getLogger(__name__)
chance = random.Random(7)
RATE = 3


def uses_time() -> Any:
    return time.time()


def uses_time_by_another_name() -> Any:
    return seconds()


def uses_now() -> Any:
    return datetime.now(UTC)


def uses_now_of_the_module() -> Any:
    return dt.datetime.now()


def uses_today() -> Any:
    return date.today()


def uses_random() -> Any:
    return random.random()


def uses_a_generator_of_chance() -> Any:
    return chance.choice([1, 2])


def uses_randint() -> Any:
    return randint(1, 6)


def uses_secrets() -> Any:
    return secrets.token_hex()


def uses_uuid() -> Any:
    return uuid.uuid4()


def uses_uuid4() -> Any:
    return uuid4()


def uses_the_environment() -> Any:
    return os.environ["HOME"]


def uses_getenv() -> Any:
    return getenv("HOME")


def uses_urandom() -> Any:
    return os.urandom(8)


def looks_for_a_file() -> Any:
    return os.path.exists("x")


def opens_a_file() -> Any:
    return open("x")


def opens_a_file_otherwise() -> Any:
    return io.open("x")  # noqa: UP020


def prints() -> Any:
    print("x")


def logs() -> Any:
    log.info("x")


def sleeps() -> Any:
    return asyncio.sleep(1)


def imports_inside() -> Any:
    import random as chances

    return chances.random()


def in_a_nested_function() -> Any:
    return [number for number in range(3) if (lambda: random.random() > number)()]


def in_a_loop_and_a_branch() -> Any:
    for _ in range(3):
        if RATE:
            yield datetime.utcnow()  # pyright: ignore[reportDeprecated]


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (uses_time, "it does more than compute (time.time)"),
        (uses_time_by_another_name, "it does more than compute (seconds)"),
        (uses_now, "it reads the clock (datetime.now)"),
        (uses_now_of_the_module, "it reads the clock (dt.datetime.now)"),
        (uses_today, "it reads the clock (date.today)"),
        (uses_random, "it does more than compute (random.random)"),
        (uses_a_generator_of_chance, "it does more than compute (chance)"),
        (uses_randint, "it does more than compute (randint)"),
        (uses_secrets, "it does more than compute (secrets.token_hex)"),
        (uses_uuid, "it makes an id (uuid.uuid4)"),
        (uses_uuid4, "it makes an id (uuid4)"),
        (uses_the_environment, "it does more than compute (os.environ)"),
        (uses_getenv, "it does more than compute (getenv)"),
        (uses_urandom, "it does more than compute (os.urandom)"),
        (looks_for_a_file, "it does more than compute (os.path.exists)"),
        (opens_a_file, "it does more than compute (open)"),
        (opens_a_file_otherwise, "it does more than compute (io.open)"),
        (prints, "it does more than compute (print)"),
        (logs, "it does more than compute (log)"),
        (sleeps, "it does more than compute (asyncio.sleep)"),
        (imports_inside, "it imports random"),
        (in_a_nested_function, "it does more than compute (random.random)"),
        (in_a_loop_and_a_branch, "it reads the clock (datetime.utcnow)"),
    ],
)
def test_what_is_not_repeatable_is_found(function: Callable[[], Any], found: str) -> None:
    assert impurity(function) == found


def test_it_is_found_in_a_function_that_has_it_from_around() -> None:
    module = time
    assert impurity(lambda: module.time()) == "it does more than compute (module.time)"


class Sheet:
    """Things that are called like something else."""

    now = 1
    time = 2
    random = 3


def uses_a_field_called_now(event: Any) -> Any:
    return event.now, event.time.time, event.datetime.now(), event.random.random()


def uses_a_local_called_time(event: Any) -> Any:
    time = event.at
    random = [time]
    open = random
    return time.hour, random[0], open


def makes_times_of_numbers(event: Any) -> Any:
    return datetime.fromtimestamp(event.now, UTC), date.fromisoformat(event.today), dt.UTC


def makes_ids_of_names(event: Any) -> Any:
    return uuid.uuid5(uuid.NAMESPACE_DNS, event.name), uuid.UUID(event.uuid4)


def works_on_paths(event: Any) -> Any:
    return os.path.join(os.path.basename(event.path), os.sep), urllib.parse.quote(event.name)


def writes_to_memory(event: Any) -> Any:
    return io.StringIO(event.text).read()


def catches(event: Any) -> Any:
    try:
        return Sheet.now + Sheet.time + RATE
    except (asyncio.TimeoutError, OSError):  # noqa: UP041
        return None


def uses_what_is_not_there_yet(event: Any) -> Any:
    return later.now()  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore


def uses_its_own_print(event: Any) -> Any:
    return own.print(event), own.open, own.now()


own = SimpleNamespace(print=repr, open=3, now=lambda: 0)


@pytest.mark.parametrize(
    "function",
    [
        uses_a_field_called_now,
        uses_a_local_called_time,
        makes_times_of_numbers,
        makes_ids_of_names,
        works_on_paths,
        writes_to_memory,
        catches,
        uses_what_is_not_there_yet,
        uses_its_own_print,
    ],
)
def test_what_only_computes_is_no_false_alarm(function: Callable[[Any], Any]) -> None:
    assert impurity(function) is None


def test_a_module_of_ones_own_may_use_any_name() -> None:
    def uuid4() -> int:
        return 4

    def print(text: str) -> str:
        return text

    assert impurity(lambda: (uuid4(), print("x"))) is None


def test_what_has_no_python_code_is_passed_over() -> None:
    assert impurity(len) is None
