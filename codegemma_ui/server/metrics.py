"""`GET /metrics`, under `--metrics`: counts and latencies of completions, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from codegemma_ui.ipc.messages import STATES, Status

PATH = "/metrics"
KIND = CONTENT_TYPE_PLAIN_0_0_4

FIRST_TOKEN_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
BETWEEN_TOKENS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


def _is_state(state: str, status: Callable[[], Status]) -> float:
    return float(status().state == state)


class _Kept(Collector):
    """A counter whose value is kept elsewhere."""

    def __init__(self, name: str, documentation: str, count: Callable[[], int]) -> None:
        self._name, self._documentation, self._count = name, documentation, count

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._documentation, value=self._count())


class Metrics:
    """The metrics of one server, in their own registry. Each argument is called at every scrape.

    Args:
        status: returns the engine's status.
        restarts: returns how often a worker that died was restarted.
        hangs: returns how often a worker was ended because it no longer responded.
    """

    def __init__(
        self,
        status: Callable[[], Status],
        restarts: Callable[[], int],
        hangs: Callable[[], int] = lambda: 0,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self._registry = CollectorRegistry()
        prefix = "codegemma_ui"
        self.requests = Counter(
            f"{prefix}_requests",
            "Completions by result: a stop_reason, cancelled, or an error's code",
            ["result"],
            registry=registry,
        )
        self.tokens = Counter(f"{prefix}_tokens", "Tokens generated", registry=registry)
        self.first_token = Histogram(
            f"{prefix}_time_to_first_token_seconds",
            "From a request's arrival to its first token, the wait for its turn included",
            buckets=FIRST_TOKEN_S,
            registry=registry,
        )
        self.between_tokens = Histogram(
            f"{prefix}_inter_token_seconds",
            "Between two tokens of a completion",
            buckets=BETWEEN_TOKENS_S,
            registry=registry,
        )
        self.refusals = Counter(
            f"{prefix}_http_refusals",
            "HTTP responses with status 400 and above, by status code",
            ["status"],
            registry=registry,
        )
        waiting = Gauge(
            f"{prefix}_queue_length", "Requests waiting in the queue", registry=registry
        )
        waiting.set_function(lambda: status().queue_length)
        serving = Gauge(f"{prefix}_serving", "Requests being generated", registry=registry)
        serving.set_function(lambda: status().serving)
        state = Gauge(
            f"{prefix}_state",
            "1 for the engine's state, 0 for others",
            ["state"],
            registry=registry,
        )
        for each in STATES:
            state.labels(each).set_function(partial(_is_state, each, status))
        quiet = Gauge(
            f"{prefix}_worker_quiet",
            "1 while the model's process does not respond",
            registry=registry,
        )
        quiet.set_function(lambda: float(status().phase == "quiet"))
        for name, documentation, count in (
            ("restarts", "Restarts of a worker that died", restarts),
            ("hangs", "Workers ended because they no longer responded", hangs),
        ):
            registry.register(_Kept(f"{prefix}_worker_{name}", documentation, count))

    def page(self) -> bytes:
        """Return the text that Prometheus scrapes."""
        return generate_latest(self._registry)
