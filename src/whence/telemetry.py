"""Tracing and timing: where the time went, and what caused what.

Spans go to OpenTelemetry (``pip install 'whence[otel]'``) if a tracer provider was set before the
application was opened, and cost nothing otherwise. Timings and counts are always kept, in the
process.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from time import perf_counter
from typing import Any

_NOWHERE = nullcontext()


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
        if seconds > self.slowest:
            self.slowest = seconds


@dataclass(slots=True)
class Telemetry:
    """The timings of one application, and its way to OpenTelemetry."""

    timings: dict[str, Timing] = field(default_factory=dict[str, Timing])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    """How often something happened, such as ``verify.balance.differing``."""
    gauges: dict[str, float] = field(default_factory=dict[str, float])
    """How large something was when it was looked at, such as ``delivery.held``."""
    _tracer: Any = None
    _meter: Any = None
    _instruments: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if find_spec("opentelemetry") is not None:
            from opentelemetry import metrics, trace

            # Without a provider every span would be thrown away, at a tenth of a command's cost.
            if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
                self._tracer = trace.get_tracer("whence")
            self._meter = metrics.get_meter("whence")

    def span(self, name: str, **attributes: str) -> AbstractContextManager[object]:
        """A span called ``name`` around a ``with`` block."""
        if self._tracer is None:
            return _NOWHERE
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

    def count(self, name: str, by: int = 1) -> None:
        """Count ``name`` up, here and as a counter ``whence.<name>`` of OpenTelemetry's."""
        self.counts[name] = self.counts.get(name, 0) + by
        if self._meter is not None:
            if name not in self._instruments:
                self._instruments[name] = self._meter.create_counter(f"whence.{name}")
            self._instruments[name].add(by)

    def gauge(self, name: str, value: float, **attributes: str) -> None:
        """Note how large ``name`` is now, here and as a gauge ``whence.<name>``."""
        self.gauges[name] = value
        if self._meter is not None:
            if name not in self._instruments:
                self._instruments[name] = self._meter.create_gauge(f"whence.{name}")
            self._instruments[name].set(value, attributes)
