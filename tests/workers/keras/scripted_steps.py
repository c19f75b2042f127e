"""Scripted steps without a model, for tests of the decoder's own logic."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from codegemma_ui.workers.keras.steps import SamplingParams, TokenBatch

if TYPE_CHECKING:
    from codegemma_ui.workers.keras.steps.weights import Shape, Weights


class ScriptedSteps:
    """Steps that count in ids: after token t comes t + 1, after 49 comes 0; a sampled token is t + 2.

    Records every call. Time passes in its passes alone: 1 ms per token that is decoded, 2 ms per other pass.

    Attributes:
        now_s: the time.
        holds: a cache length and a size; such passes wait until `released`, and signal `held`.
    """

    shape: Shape  # neither of these is set: scripted passes have no model
    weights: Weights
    note: str | None = None
    takes_batches = False
    compiling = 0
    compilations = 0
    weight_bytes = 0
    parts = 1
    warms_up_concurrently = True
    vocabulary_size = 50

    def __init__(self) -> None:
        self.allocated: list[int] = []
        self.calls: list[tuple[Any, ...]] = []  # (name, length, offset, size)
        self.now_s = 0.0
        self.fails = False
        self.holds: tuple[int, int] | None = None
        self.held, self.released = threading.Event(), threading.Event()
        self.unsure = False  # verification accepts two tokens
        self.drawn: list[float] = []  # the random numbers used
        self.logprobs = [-0.1, -0.1, -9.0, -9.0, -9.0, -9.0, -4.0]

    def clock(self) -> float:
        return self.now_s

    def seconds(self, name: str, size: int) -> float:
        """Return how long a pass takes."""
        return 0.001 * size if name == "decode" else 0.002

    def warmed(self) -> None:
        self.calls.append(("warmed",))

    def allocate(self, length: int) -> dict[str, Any]:
        self.allocated.append(length)
        return {"length": length}

    def cache_bytes(self, length: int) -> int:
        return length

    def prefill(
        self, cache: Any, token_ids: np.ndarray, offset: int, last: int, stop_ids: np.ndarray
    ) -> tuple[Any, TokenBatch, int]:
        self._note("prefill", cache, offset, len(token_ids))
        return cache, self._picked(token_ids[last : last + 1]), int(token_ids[last])

    def verify(
        self,
        cache: Any,
        token_ids: np.ndarray,
        offset: int,
        last: int,
        stop_ids: np.ndarray,
        given: np.ndarray,
    ) -> tuple[Any, TokenBatch, int]:
        self._note("verify", cache, offset, len(token_ids))
        picked = self._picked(token_ids)
        if self.unsure:
            picked.logprobs[:, 2] = picked.logprobs[:, 1]
        forced = given >= 0
        picked.logprobs[forced, 0] = np.where(given == picked.ids[:, 0], -0.1, -7.0)[forced]
        picked.ids[forced, 0] = given[forced]
        return cache, picked, int(token_ids[last])

    def sample(self, scores: int, params: SamplingParams) -> tuple[int, float]:
        self.drawn.append(params.numbers[0])
        return (scores + 2) % self.vocabulary_size, -5.0

    def decode(
        self,
        cache: Any,
        token_id: int,
        position: int,
        count: int,
        stop_ids: np.ndarray,
        params: SamplingParams,
    ) -> tuple[Any, TokenBatch]:
        self._note("decode", cache, position, count)
        fed = []
        for number in range(count):
            fed.append(token_id)
            if params.temperature > 0:
                self.drawn.append(params.numbers[number])
            token_id = (token_id + (2 if params.temperature > 0 else 1)) % self.vocabulary_size
            if token_id in stop_ids:
                break
        picked = self._picked(np.array(fed))
        if params.temperature > 0:
            picked.ids[:, 0] = (picked.ids[:, 0] + 1) % self.vocabulary_size
        return cache, picked

    def _note(self, name: str, cache: Any, offset: int, size: int) -> None:
        if self.fails:
            raise KeyboardInterrupt
        assert offset + size <= cache["length"]
        if self.holds == (cache["length"], size):
            self.held.set()
            assert self.released.wait(10)
        self.now_s += self.seconds(name, size)
        self.calls.append((name, cache["length"], offset, size))

    def _picked(self, tokens: np.ndarray) -> TokenBatch:
        """Return t + 1 as the choice after each token t, and the five likeliest."""
        ids = (tokens[:, None] + np.array([1, 1, 2, 3, 4, 5])) % self.vocabulary_size
        logprobs = np.tile(np.array(self.logprobs, np.float32), (len(tokens), 1))
        return TokenBatch(ids.astype(np.int32), logprobs)


class ScriptedRows(ScriptedSteps):
    """The same for a batch of rows.

    Attributes:
        before: called before rows are decoded.
        written: for each dispatch, the tokens passed to each slot.
    """

    takes_batches = True

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], None] = lambda: None
        self.written: list[list[int]] = []

    def allocate_batch(self, rows: int, length: int) -> dict[str, Any]:
        return {"length": length, "rows": rows}

    def join(self, rows: Any, row: int, cache: Any) -> Any:
        assert row < rows["rows"]
        return rows

    def leave(self, rows: Any, row: int, length: int) -> dict[str, Any]:
        assert length <= rows["length"]
        return {"length": length}

    def decode_batch(
        self,
        rows: Any,
        token_ids: np.ndarray,
        positions: np.ndarray,
        counts: np.ndarray,
        stop_ids: np.ndarray,
        params: SamplingParams,
        while_running: Callable[[], None],
    ) -> tuple[Any, list[TokenBatch]]:
        while_running()
        self.before()
        assert len(token_ids) == rows["rows"]
        picked = []
        for row, count in enumerate(counts.tolist()):
            if not count:
                picked.append(self._picked(token_ids[:0]))
                continue
            own = SamplingParams(*(each[row] for each in params))
            place = (int(token_ids[row]), int(positions[row]), count)
            picked.append(self.decode(rows, *place, stop_ids[row], own)[1])
        self.written.append([len(each.ids) for each in picked])
        self.calls.append(("rows", rows["length"], rows["rows"], max(self.written[-1])))
        return rows, picked
