"""Queries as messages: each is answered by exactly one handler."""

import inspect
from collections.abc import Callable
from typing import Any

from whence.codec import Codec
from whence.errors import WiringError
from whence.handlers import annotated
from whence.messages import place, registered

Answers = Callable[..., Any]
"""A function, plain or async, that answers a query."""


class Queries:
    """Every query's one handler."""

    def __init__(self, codec: Codec, app: object) -> None:
        self._codec, self._app = codec, app
        self._handlers: dict[type, tuple[Answers, bool, str]] = {}

    def register(self, function: Answers) -> None:
        """Let ``function`` answer the query that its first parameter annotates.

        Raises `WiringError` if another one does, or if it annotates no query.
        """
        wants_app = len(inspect.signature(function).parameters) == 2
        for query, handler in annotated(function, 0, "query", "answer").items():
            if query in self._handlers:
                raise WiringError(
                    f"{place(query)} has two handlers, at {self._handlers[query][2]} and at"
                    f" {handler.where}: a query has exactly one. Remove one"
                )
            self._codec.form(query)
            self._handlers[query] = (function, wants_app, handler.where)

    async def ask(self, query: object) -> Any:
        """The answer of the query's handler. Raises `WiringError` if there is none, `Invalid`."""
        found = self._handlers.get(type(query))
        if found is None:
            raise WiringError(_unanswered(query))
        function, wants_app, where = found
        self._codec.form(type(query)).check(query)
        answer = function(query, self._app) if wants_app else function(query)
        if inspect.isawaitable(answer):
            answer = await answer
        if inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise WiringError(f"the answer at {where} gives a promise of data: `await` it there")
        return answer


def _unanswered(query: object) -> str:
    """Why nobody answers ``query``, and what to do."""
    if isinstance(query, type):
        return f"{place(query)} is a class: ask one of them, as in {query.__name__}(...)"
    message = registered(type(query))
    if message is None:
        return f"{query!r} is no query: decorate its class with @query"
    if message.kind != "query":
        return f"{message} is no query. Commands are sent: app.send({message.name}(...))"
    return f"{place(type(query))} has no handler: decorate a function with @app.answers"
