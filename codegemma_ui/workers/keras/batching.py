"""Several prompts at once on one model: prefilled in turn, a pass at a time, and decoded in one batch.

A prompt is read as one alone is. Then its keys and values get a slot in one cache of all rows, and a
dispatch decodes some tokens of every row that has one, each at its own position. Rows come and go between
dispatches. What a row is given does not depend on who else is there (`BatchSteps.decode_batch`), so there are
no drafts here: a check adds up in another order. Everything that touches the model runs on the decoder's one
thread; each caller's iterator waits on a queue of its own.
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
    LOOK_S,
    PADDING_ID,
    Decoder,
    Prefill,
    PrefillProgress,
)
from codegemma_ui.workers.keras.prefix_cache import MOST
from codegemma_ui.workers.keras.prompt_lookup import Draft
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
"""The shortest cache of rows, in tokens: each row attends to all of its part, and few need more for long."""

FEWEST = 2
"""Rows of the smallest cache. XLA copies one with a single row around, and adds up a product of one row in
another order (0.10, on a CPU): one in two rows is faster, and gives the same bits as one in eight."""


@dataclass(eq=False)
class Row:
    """One prompt and its tokens.

    Attributes:
        left: how many tokens may still come; `made` have.
        longest: the largest chunk that it is expected to be read in.
        told: what the caller is to hear: tokens, then None, or what went wrong.
        gone: the caller listens no more; set by its own thread at any time.
        ended: nothing more comes, or is wanted; set by the decoder's thread.
        prefill: while it is being read, and until it has a slot.
        waited: steps that others wrote between its arrival and its first token, but for the dispatch that was
            under way.
        decodes: it has been read.
        fed: how many tokens its slot holds.
        last: the token to feed next.
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
    told: SimpleQueue[list[TokenChoice] | TokenBatch | Exception | None] = field(
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
        """How many are still to read it."""
        whole = -(-(len(self.prompt) + len(self.forced)) // self.longest)
        return len(self.prefill.plan) if self.prefill else whole

    def take(self, ids: Sequence[int]) -> None:
        """Go on from what came."""
        self.made += len(ids)
        self.left -= len(ids)
        # Fewer than are forced where the reading was broken off.
        if self.left <= 0 or self.made <= len(self.forced) or ids[-1] in self.stops:
            self.ended = True
        else:
            self.last = ids[-1]


class BatchedDecoder(Decoder):
    """A `Decoder` whose iterators go on side by side.

    A turn of its thread is one pass of the prompt that has waited longest, and one dispatch of all that
    write. While prompts are being read, dispatches are so short that those between their passes make about
    one: a newcomer waits for the dispatch under way and for one more, and nobody who decodes stands still.

    Args:
        steps: the compiled passes.
        context_length: as in `Decoder`.
        most: how many prompts at once; a caller who comes on top of them waits for a slot.
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
        self._rows: list[Row] = []  # in the order in which they came
        self._came = 0  # so far
        self._runs = False  # a turn is under way, or submitted
        self._slots: list[Row | None] = []
        self._cache: Cache = None
        self._cache_length = 0
        self._untold: list[tuple[Row, list[TokenChoice] | TokenBatch]] = []
        self._row_step_s: dict[tuple[int, int], float] = {}  # by rows and cache length

    # Warm-up

    def warm_up(self) -> Iterator[tuple[int, int]]:
        """As of a `Decoder`, with what decodes rows in place of what decodes one; while it runs, no more rows
        are written together than there are programs for."""
        self._open = FEWEST
        yield from super().warm_up()

    def _programs(self) -> list[tuple[Hashable, Callable[[], None]]]:
        def decoding(rows: int, length: int) -> tuple[Hashable, Callable[[], None]]:
            return _batch_program(rows, length), partial(self._try_batch, rows, length)

        writes_one = {(length, 1): length for length in self.cache_lengths}
        first, *others = [
            decoding(FEWEST, writes_one[name]) if name in writes_one else (name, run)
            for name, run in super()._programs()
        ]
        more = [decoding(rows, length) for rows in self._tiers()[1:] for length in self._lengths]
        return [first, decoding(FEWEST, SHORTEST), *others, *more]

    def _tiers(self) -> list[int]:
        """How many slots there may be."""
        tiers = [FEWEST]
        while tiers[-1] < self.most:
            tiers.append(min(2 * tiers[-1], self.most))
        return tiers

    def _try_batch(self, rows: int, length: int) -> None:
        cache = self.steps.allocate_batch(rows, length)
        for other in self._lengths:
            cache = self.steps.join(cache, 0, self.steps.allocate(other))
            if other <= length:
                self.steps.leave(cache, 0, other)
        nobody = np.zeros(rows, np.int32)
        stops = np.stack([stop_array(())] * rows)
        params = _together([GREEDY] * rows)
        self.steps.decode_batch(cache, nobody, nobody, nobody, stops, params, _nothing)
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
        draft: Draft | None,  # noqa: ARG002 - there are none
        should_stop: Callable[[], bool],
        turn: int,  # noqa: ARG002 - nobody's turn ends another's
    ) -> Generator[TokenChoice | PrefillProgress]:
        left = max_length - len(prompt)
        if not left:
            return
        sampler = Sampler(sampling, left)
        row = Row(
            prompt, forced, max_length, sampler, stops, should_stop, left, self.pace.longest()
        )
        with self._lock:
            self._rows.append(row)
            self._came += 1
            if not self._runs:
                self._runs = True
                self._thread.submit(self._turn_of_all)
        shown: PrefillProgress | None = None
        look_s: float | None = LOOK_S
        try:
            while True:
                try:
                    told = row.told.get(timeout=look_s)
                except Empty:
                    if row.should_stop():
                        return
                    prefill = row.prefill
                    now = None if prefill is None else prefill.prefilled()
                    if now is not None and now != shown:
                        shown = now
                        yield now
                    continue
                if told is None:
                    return
                if isinstance(told, Exception):
                    raise told
                yield from choices_of(told) if isinstance(told, TokenBatch) else told
                look_s = None  # it is prefilled
        finally:
            row.gone = True

    # Turns: each runs on the thread, and submits the next one, so that what else the thread is to do comes
    # between.

    def _turn_of_all(self) -> None:
        with self._lock:
            rows = self._rows[: self._open]
        try:
            self._let_go(rows)
            waiting = [row for row in rows if not row.ended and not row.decodes]
            if waiting:
                self._tell_all()
                self._prefill_one(waiting[0])
            waiting = [row for row in waiting if not row.ended and not row.decodes]
            decoding = [row for row in rows if not row.ended and row.decodes]
            if not decoding:
                self._tell_all()
            else:
                self._decode_all(decoding, waiting)
        except Exception as error:  # the cache of all is lost
            traceback.print_exc()
            self._slots, self._cache = [], None
            self._tell_all()
            for row in rows:
                if row.decodes and not row.ended:
                    row.told.put(error)
                    row.ended = True
        finally:
            self._let_go(rows)
            with self._lock:
                self._rows = [row for row in self._rows if not row.ended]
                self._runs = bool(self._rows)
                if not self._runs:
                    self._tell_all()
                else:
                    self._thread.submit(self._turn_of_all)

    def _tell_all(self) -> None:
        """Hand on what came: best while a dispatch is under way, since callers then want the processor."""
        untold, self._untold = self._untold, []
        for row, tokens in untold:
            row.told.put(tokens)
            if row.ended:
                row.told.put(None)

    def _let_go(self, rows: list[Row]) -> None:
        """Free the slots of those who have ended, or whose callers have gone."""
        for row in rows:
            row.ended |= row.gone
        self._slots = [None if row is None or row.ended else row for row in self._slots]
        for row in rows:
            if row.ended and row.prefill is not None:
                self.prefix_cache.put(row.prefill.cached)
                row.prefill = None

    def _prefill_one(self, row: Row) -> None:
        """One pass of a prompt; what goes wrong is this row's alone."""
        try:
            if row.prefill is None:
                row.prefill = self._begin(row.prompt, row.forced, row.max_length)
            should_stop = row.should_stop()
            if not should_stop:
                self._prefill_pass(row.prefill, row.sampler.at(len(row.forced)), row.stops)
        except Exception as error:
            traceback.print_exc()
            row.prefill = None
            row.told.put(error)
            row.ended = True
            return
        if should_stop or not row.prefill.plan:
            choices = row.prefill.choices[: row.left]
            row.fed = len(row.prefill.tokens)
            row.take([choice.id for choice in choices])
            row.decodes = not row.ended
            self._untold.append((row, choices))
            self._tell_all()

    def _decode_all(self, rows: list[Row], waiting: list[Row]) -> None:
        """One dispatch: tokens of each row, as many as the time of a burst and those who wait allow."""
        self._seat_rows(rows)
        shape = (len(self._slots), self._cache_length)
        step_s = self._row_step_s.get(shape)
        whole = 1 if step_s is None else max(1, min(BURST, int(BURST_S / step_s)))
        most = _fair(whole, waiting)
        slots = self._slots
        self._wait_for(_batch_program(*shape))
        compilations, started = self.steps.compilations, self._clock()
        self._cache, picked = self.steps.decode_batch(
            self._cache,
            np.array([row.last if row else PADDING_ID for row in slots], np.int32),
            np.array([row.fed if row else 0 for row in slots], np.int32),
            np.array([min(row.left, most) if row else 0 for row in slots], np.int32),
            np.stack([row.stops if row else _NO_STOPS for row in slots]),
            _together([row.sampler.at(row.made) if row else GREEDY for row in slots]),
            self._tell_all,
        )
        steps = max(len(each.ids) for each in picked)
        if self.steps.compilations == compilations:
            spent = (self._clock() - started) / steps
            self._row_step_s[shape] = spent if step_s is None else 0.8 * step_s + 0.2 * spent
        for row, each in zip(slots, picked, strict=True):
            if row is not None:
                row.fed += len(each.ids)
                row.take(each.ids[:, 0].tolist())
                self._untold.append((row, each))
        for row in waiting:
            row.waited += steps

    def _needs(self, row: Row) -> int:
        """The cache that holds a row's tokens and those of a dispatch."""
        most = min(row.fed + BURST, row.max_length)
        return next(length for length in self._lengths if length >= most)

    def _seat_rows(self, rows: list[Row]) -> None:
        """Give each row a slot, in a cache that is large enough for a dispatch, and not much larger."""
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
            self._cache = None  # before there is another
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


def _fair(whole: int, waiting: list[Row]) -> int:
    """How many tokens others may write before the next pass, so that none of these waits for more than a
    `whole` dispatch in all: those before it are read first."""
    most, passes = whole, 0
    for row in waiting:
        passes += row.passes
        most = min(most, (whole - row.waited) // passes)
    return max(1, most)


_NO_STOPS = stop_array(())


def _batch_program(rows: int, length: int) -> Hashable:
    """The name, for the warm-up, of the program that decodes so many rows in a cache of that length."""
    return "rows", rows, length


def _nothing() -> None:
    pass


def _together(params: Sequence[SamplingParams]) -> SamplingParams:
    """The params of all rows as one, each array with an axis of rows in front."""
    return SamplingParams(*(np.stack(each) for each in zip(*params, strict=True)))
