"""Tracing and timing: where the time went, and what caused what.

Spans go to OpenTelemetry (``pip install 'whence[otel]'``) if a tracer provider was set before the
application was opened, and cost nothing otherwise. Timings are always kept, in the process.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from time import perf_counter
from typing import Any


@dataclass(slots=True)
class Timing:
    """How often one kind of message was handled, and how long that took, in seconds."""

    count: int = 0
    failed: int = 0
    total: float = 0.0
    slowest: float = 0.0

    def add(self, seconds: float, failed: bool) -> None:
        """Count one more."""
        self.count += 1
        self.failed += failed
        self.total += seconds
        self.slowest = max(self.slowest, seconds)


@dataclass(slots=True)
class Telemetry:
    """The timings of one application, and its way to OpenTelemetry."""

    timings: dict[str, Timing] = field(default_factory=dict[str, Timing])
    _tracer: Any = None

    def __post_init__(self) -> None:
        if find_spec("opentelemetry") is not None:
            from opentelemetry import trace

            # Without a provider every span would be thrown away, at a tenth of a command's cost.
            if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
                self._tracer = trace.get_tracer("whence")

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        """A span called ``name`` around a ``with`` block."""
        if self._tracer is None:
            return nullcontext()
        span: AbstractContextManager[object] = self._tracer.start_as_current_span(
            name, attributes=attributes
        )
        return span

    def took(self, name: str, since: float, failed: bool = False) -> None:
        """Note that ``name`` was handled, having started at ``since`` (`perf_counter`)."""
        timing = self.timings.get(name)
        if timing is None:
            timing = self.timings[name] = Timing()
        timing.add(perf_counter() - since, failed)
