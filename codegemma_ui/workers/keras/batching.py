"""Batched decoding: several prompts on one model, prefilled in turn and decoded together.

A prompt is prefilled as in `Decoder`. Its keys and values then get a slot in one cache shared by all rows,
and each dispatch decodes some tokens of every row, each at its own position. Rows join and leave between
dispatches. A row's tokens do not depend on the other rows (`BatchSteps.decode_batch`), so there are no
drafts: verification sums in another order. Everything that touches the model runs on the decoder's single
thread; each caller's iterator waits on its own queue.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue

import numpy as np

from codegemma_ui.workers.keras.decode import (
    BURST_S,
    PADDING_ID,
    POLL_S,
    Decoder,
    Prefill,
    PrefillProgress,
)
from codegemma_ui.workers.keras.prefix_cache import MOST
from codegemma_ui.workers.keras.sampling import GREEDY, Sampler, Sampling, TokenChoice, choices_of
from codegemma_ui.workers.keras.steps import (
    BURST,
    BatchSteps,
    Cache,
    SamplingParams,
    TokenBatch,
    stop_array,
)

SHORTEST = 128
"""Shortest batch cache, in tokens: each row attends to its whole part, and few need more for long."""

MIN_ROWS = 2
"""Rows in the smallest cache. XLA copies a single-row cache, and sums a one-row product in another order
(0.10, on a CPU): one row of two is faster, and gives the same bits as one of eight."""


@dataclass(eq=False)
class Row:
    """One prompt and its tokens.

    Attributes:
        left: number of tokens still allowed; `made` have been generated.
        longest: largest chunk expected for its prefill.
        results: queue to the caller: tokens, then None, or an exception.
        gone: the caller has stopped listening; set by the caller's thread at any time.
        ended: no more tokens come or are wanted; set by the decoder's thread.
        prefill: set during prefill and until the row has a slot.
        waited: steps that other rows decoded between this row's arrival and its first token, not counting
            the dispatch under way at arrival.
        decodes: prefill is complete.
        fed: number of tokens in its slot.
        last: next token to feed.
    """

    prompt: list[int]
    forced: list[int]
    max_length: int
    sampler: Sampler
    stops: np.ndarray
    should_stop: Callable[[], bool]
    left: int
    longest: int
    made: int = 0
    results: SimpleQueue[list[TokenChoice] | TokenBatch | Exception | None] = field(
        default_factory=SimpleQueue
    )
    gone: bool = False
    ended: bool = False
    prefill: Prefill | None = None
    waited: int = 0
    decodes: bool = False
    fed: int = 0
    last: int = PADDING_ID

    @property
    def passes(self) -> int:
        """Number of prefill passes left."""
        whole = -(-(len(self.prompt) + len(self.forced)) // self.longest)
        return len(self.prefill.plan) if self.prefill else whole

    def take(self, ids: Sequence[int]) -> None:
        """Update the counters with new tokens."""
        self.made += len(ids)
        self.left -= len(ids)
        # Fewer than are forced if prefill was interrupted.
        if self.left <= 0 or self.made <= len(self.forced) or ids[-1] in self.stops:
            self.ended = True
        else:
            self.last = ids[-1]


class BatchedDecoder(Decoder):
    """A `Decoder` whose iterators run concurrently.

    Each turn of its thread is one pass of the prompt that has waited longest, and one dispatch of all
    decoding rows. While prompts are prefilled, dispatches are shortened so that those between their passes
    add up to about one: a new request waits for the dispatch under way and for one more, and decoding rows
    keep going.

    Args:
        steps: compiled passes.
        context_length: as in `Decoder`.
        most: maximum number of concurrent prompts; further callers wait for a slot.
        clock: seconds that pass.
    """

    steps: BatchSteps
    drafts = False

    def __init__(
        self,
        steps: BatchSteps,
        context_length: int,
        most: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(steps, context_length, clock, cached=max(MOST, most))
        self.most = self._open = most
        self._lengths = (SHORTEST, *self.cache_lengths)
        self._lock = threading.Lock()
        self._rows: list[Row] = []  # in order of arrival
        self._came = 0  # total so far
        self._runs = False  # a turn is running or submitted
        self._slots: list[Row | None] = []
        self._cache: Cache = None
        self._cache_length = 0
        self._undelivered: list[tuple[Row, list[TokenChoice] | TokenBatch]] = []
        self._row_step_s: dict[tuple[int, int], float] = {}  # by rows and cache length

    # Warm-up

    def warm_up(self) -> Iterator[tuple[int, int]]:
        """Warm up as `Decoder` does, but with batch programs instead of single-row decoding. While it runs,
        batches are limited to the sizes already compiled."""
        self._open = MIN_ROWS
        yield from super().warm_up()

    def _programs(self) -> list[tuple[Hashable, Callable[[], None]]]:
        def decoding(rows: int, length: int) -> tuple[Hashable, Callable[[], None]]:
            return _batch_program(rows, length), partial(self._try_batch, rows, length)

        writes_one = {(length, 1): length for length in self.cache_lengths}
        first, *others = [
            decoding(MIN_ROWS, writes_one[name]) if name in writes_one else (name, run)
            for name, run in super()._programs()
        ]
        more = [decoding(rows, length) for rows in self._tiers()[1:] for length in self._lengths]
        return [first, decoding(MIN_ROWS, SHORTEST), *others, *more]

    def _tiers(self) -> list[int]:
        """Return the possible slot counts."""
        tiers = [MIN_ROWS]
        while tiers[-1] < self.most:
            tiers.append(min(2 * tiers[-1], self.most))
        return tiers

    def _try_batch(self, rows: int, length: int) -> None:
        cache = self.steps.allocate_batch(rows, length)
        for other in self._lengths:
            cache = self.steps.join(cache, 0, self.steps.allocate(other))
            if other <= length:
                self.steps.leave(cache, 0, other)
        zeros = np.zeros(rows, np.int32)
        stops = np.stack([stop_array(())] * rows)
        params = _stacked([GREEDY] * rows)
        self.steps.decode_batch(cache, zeros, zeros, zeros, stops, params, _nothing)
        self._ran.add(_batch_program(rows, length))
        if length == self._lengths[-1]:
            self._open = rows

    # Decode

    def _tokens(
        self,
        prompt: list[int],
        forced: list[int],
        max_length: int,
        sampling: Sampling,
        stops: np.ndarray,
        told: list[int] | None,  # noqa: ARG002 - no drafts here
        should_stop: Callable[[], bool],
        turn: int,  # noqa: ARG002 - turns do not end each other here
    ) -> Generator[TokenChoice | PrefillProgress]:
        left = max_length - len(prompt)
        if not left:
            return
        sampler = Sampler(sampling, left)
        row = Row(
            prompt, forced, max_length, sampler, stops, should_stop, left, self.pass_times.longest()
        )
        with self._lock:
            self._rows.append(row)
            self._came += 1
            if not self._runs:
                self._runs = True
                self._thread.submit(self._turn_of_all)
        shown: PrefillProgress | None = None
        look_s: float | None = POLL_S
        try:
            while True:
                try:
                    result = row.results.get(timeout=look_s)
                except Empty:
                    if row.should_stop():
                        return
                    prefill = row.prefill
                    now = None if prefill is None else prefill.prefilled()
                    if now is not None and now != shown:
                        shown = now
                        yield now
                    continue
                if result is None:
                    return
                if isinstance(result, Exception):
                    raise result
                yield from choices_of(result) if isinstance(result, TokenBatch) else result
                look_s = None  # prefill is complete
        finally:
            row.gone = True

    # Each turn runs on the thread and submits the next one, so that other work on the thread can come
    # between.

    def _turn_of_all(self) -> None:
        with self._lock:
            rows = self._rows[: self._open]
        try:
            self._free_slots(rows)
            waiting = [row for row in rows if not row.ended and not row.decodes]
            if waiting:
                self._deliver_all()
                self._prefill_one(waiting[0])
            waiting = [row for row in waiting if not row.ended and not row.decodes]
            decoding = [row for row in rows if not row.ended and row.decodes]
            if not decoding:
                self._deliver_all()
            else:
                self._decode_all(decoding, waiting)
        except Exception as error:  # the shared cache is lost
            traceback.print_exc()
            self._slots, self._cache = [], None
            self._deliver_all()
            for row in rows:
                if row.decodes and not row.ended:
                    row.results.put(error)
                    row.ended = True
        finally:
            self._free_slots(rows)
            with self._lock:
                self._rows = [row for row in self._rows if not row.ended]
                self._runs = bool(self._rows)
                if not self._runs:
                    self._deliver_all()
                else:
                    self._thread.submit(self._turn_of_all)

    def _deliver_all(self) -> None:
        """Deliver results, preferably during a dispatch, since callers then need the processor."""
        undelivered, self._undelivered = self._undelivered, []
        for row, tokens in undelivered:
            row.results.put(tokens)
            if row.ended:
                row.results.put(None)

    def _free_slots(self, rows: list[Row]) -> None:
        """Free the slots of rows that have ended or whose callers are gone."""
        for row in rows:
            row.ended |= row.gone
        self._slots = [None if row is None or row.ended else row for row in self._slots]
        for row in rows:
            if row.ended and row.prefill is not None:
                self.prefix_cache.put(row.prefill.cached)
                row.prefill = None

    def _prefill_one(self, row: Row) -> None:
        """Run one pass of a prompt; a failure affects this row only."""
        try:
            if row.prefill is None:
                row.prefill = self._begin(row.prompt, row.forced, row.max_length)
            should_stop = row.should_stop()
            if not should_stop:
                self._prefill_pass(row.prefill, row.sampler.at(len(row.forced)), row.stops)
        except Exception as error:
            traceback.print_exc()
            row.prefill = None
            row.results.put(error)
            row.ended = True
            return
        if should_stop or not row.prefill.plan:
            choices = row.prefill.choices[: row.left]
            row.fed = len(row.prefill.tokens)
            row.take([choice.id for choice in choices])
            row.decodes = not row.ended
            self._undelivered.append((row, choices))
            self._deliver_all()

    def _decode_all(self, rows: list[Row], waiting: list[Row]) -> None:
        """Dispatch once: as many tokens per row as burst time and waiting prompts allow."""
        self._assign_slots(rows)
        shape = (len(self._slots), self._cache_length)
        step_s = self._row_step_s.get(shape)
        whole = 1 if step_s is None else max(1, min(BURST, int(BURST_S / step_s)))
        most = _fair_share(whole, waiting)
        slots = self._slots
        self._wait_for(_batch_program(*shape))
        ran, started = self._has_run(_batch_program(*shape)), self._clock()
        self._cache, batch = self.steps.decode_batch(
            self._cache,
            np.array([row.last if row else PADDING_ID for row in slots], np.int32),
            np.array([row.fed if row else 0 for row in slots], np.int32),
            np.array([min(row.left, most) if row else 0 for row in slots], np.int32),
            np.stack([row.stops if row else _NO_STOPS for row in slots]),
            _stacked([row.sampler.at(row.made) if row else GREEDY for row in slots]),
            self._deliver_all,
        )
        steps = max(len(each.ids) for each in batch)
        if ran:
            spent = (self._clock() - started) / steps
            self._row_step_s[shape] = spent if step_s is None else 0.8 * step_s + 0.2 * spent
        for row, each in zip(slots, batch, strict=True):
            if row is not None:
                row.fed += len(each.ids)
                row.take(each.ids[:, 0].tolist())
                self._undelivered.append((row, each))
        for row in waiting:
            row.waited += steps

    def _needs(self, row: Row) -> int:
        """Return the cache length for a row's tokens plus one dispatch."""
        most = min(row.fed + BURST, row.max_length)
        return next(length for length in self._lengths if length >= most)

    def _assign_slots(self, rows: list[Row]) -> None:
        """Assign each row a slot, in a cache large enough for a dispatch and not much larger."""
        length = max(map(self._needs, rows))
        wanted = next(tier for tier in self._tiers() if tier >= len(rows))
        there, old = len(self._slots), self._cache_length
        if length > old or wanted > there or length <= old // 4 or wanted <= there // 4:
            moved = [
                (row, self.steps.leave(self._cache, slot, min(old, self._needs(row))))
                for slot, row in enumerate(self._slots)
                if row is not None
            ]
            self._slots = [row for row, _ in moved] + [None] * (wanted - len(moved))
            self._cache = None  # freed before the next is allocated
            self._cache = self.steps.allocate_batch(wanted, length)
            self._cache_length = length
            for slot, (_, cache) in enumerate(moved):
                self._cache = self.steps.join(self._cache, slot, cache)
        for row in rows:
            if row.prefill is not None:
                slot = self._slots.index(None)
                self._cache = self.steps.join(self._cache, slot, row.prefill.cached.cache)
                self._slots[slot] = row
                self.prefix_cache.put(row.prefill.cached)
                row.prefill = None


def _fair_share(whole: int, waiting: list[Row]) -> int:
    """Return how many tokens others may decode before the next pass, so that no waiting row waits for more
    than one `whole` dispatch in total; earlier rows are prefilled first."""
    most, passes = whole, 0
    for row in waiting:
        passes += row.passes
        most = min(most, (whole - row.waited) // passes)
    return max(1, most)


_NO_STOPS = stop_array(())


def _batch_program(rows: int, length: int) -> Hashable:
    """Return the warm-up's key for the program that decodes `rows` in a cache of `length`."""
    return "rows", rows, length


def _nothing() -> None:
    pass


def _stacked(params: Sequence[SamplingParams]) -> SamplingParams:
    """Stack the parameters of all rows, adding a leading row axis to each array."""
    return SamplingParams(*(np.stack(each) for each in zip(*params, strict=True)))
