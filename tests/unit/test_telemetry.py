"""Tracing and timing: spans where somebody wants them, timings always."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace

from whence import Rejected, command
from whence.telemetry import Telemetry, Timing

from .bells import Bell, Ring, bells


@command("smash-bell")
class Smash:
    bell_id: str


def smash(command: Smash, bell: Bell) -> Iterator[object]:
    raise Rejected("Never")


class Tracer(trace.NoOpTracer):
    """Notes the spans that it is asked for."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any, str]] = []

    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, name: str, *args: Any, attributes: Any = None, **options: Any
    ) -> Generator[trace.Span]:  # pyright: ignore
        try:
            yield trace.INVALID_SPAN
        except BaseException as error:
            self.spans.append((name, attributes, type(error).__name__))
            raise
        self.spans.append((name, attributes, "ok"))


class Provider(trace.TracerProvider):
    """A provider without an SDK."""

    def __init__(self) -> None:
        self.tracer = Tracer()

    def get_tracer(self, *args: Any, **options: Any) -> Tracer:
        return self.tracer


async def test_every_command_is_a_span_if_there_is_a_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    provider = Provider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    app = bells()
    app.decides(smash)
    async with app:
        await app.send(Ring("B1"), id="r1")
        with pytest.raises(Rejected):
            await app.send(Smash("B1"), id="s1")
    assert provider.tracer.spans == [
        ("Ring", {"command_id": "r1"}, "ok"),
        ("smash-bell", {"command_id": "s1"}, "Rejected"),
    ]


async def test_without_a_provider_there_is_none() -> None:
    async with bells() as app:
        await app.send(Ring("B1"))
        with app.running.telemetry.span("anything") as span:
            assert span is None


def test_timings_are_added_up() -> None:
    telemetry = Telemetry()
    timing = Timing()
    for seconds, failed in ((0.1, False), (0.3, True), (0.2, False)):
        timing.add(seconds, failed)
    assert (timing.count, timing.failed, timing.slowest) == (3, 1, 0.3)
    assert round(timing.total, 6) == 0.6
    telemetry.took("Ring", 0.0)
    telemetry.took("Ring", 0.0, failed=True)
    assert (telemetry.timings["Ring"].count, telemetry.timings["Ring"].failed) == (2, 1)
