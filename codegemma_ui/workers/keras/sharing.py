"""Several prompts at once on one model: read in turn, a pass at a time, and written together.

A prompt is read as one alone is. Then its keys and values get a place in one cache of all rows, and a
dispatch writes some tokens of every row that has one, each at its own position. Rows come and go between
dispatches. What a row is given does not depend on who else is there (`RowSteps.write_rows`), so there are
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
    KEPT,
    LOOK_S,
    PADDING_ID,
    Decoder,
    Memory,
    Prefilled,
    Reading,
)
from codegemma_ui.workers.keras.drafting import Draft
from codegemma_ui.workers.keras.sampling import GREEDY, Choice, Draws, Sampling, choices_of
from codegemma_ui.workers.keras.steps import BURST, Cache, Drawing, Picked, RowSteps, stop_array

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
        reading: while it is being read, and until it has a place.
        waited: steps that others wrote between its arrival and its first token, but for the dispatch that was
            under way.
        writes: it has been read.
        fed: how many tokens its place holds.
        last: the token to feed next.
    """

    prompt: list[int]
    forced: list[int]
    max_length: int
    draws: Draws
    stops: np.ndarray
    over: Callable[[], bool]
    left: int
    longest: int
    made: int = 0
    told: SimpleQueue[list[Choice] | Picked | Exception | None] = field(default_factory=SimpleQueue)
    gone: bool = False
    ended: bool = False
    reading: Reading | None = None
    waited: int = 0
    writes: bool = False
    fed: int = 0
    last: int = PADDING_ID

    @property
    def passes(self) -> int:
        """How many are still to read it."""
        whole = -(-(len(self.prompt) + len(self.forced)) // self.longest)
        return len(self.reading.plan) if self.reading else whole

    def take(self, ids: Sequence[int]) -> None:
        """Go on from what came."""
        self.made += len(ids)
        self.left -= len(ids)
        # Fewer than are forced where the reading was broken off.
        if self.left <= 0 or self.made <= len(self.forced) or ids[-1] in self.stops:
            self.ended = True
        else:
            self.last = ids[-1]


class SharedDecoder(Decoder):
    """A `Decoder` whose iterators go on side by side.

    A turn of its thread is one pass of the prompt that has waited longest, and one dispatch of all that
    write. While prompts are being read, dispatches are so short that those between their passes make about
    one: a newcomer waits for the dispatch under way and for one more, and nobody who writes stands still.

    Args:
        steps: the compiled passes.
        context_length: as in `Decoder`.
        most: how many prompts at once; a caller who comes on top of them waits for a place.
        clock: seconds that pass.
    """

    steps: RowSteps
    drafts = False

    def __init__(
        self,
        steps: RowSteps,
        context_length: int,
        most: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(steps, context_length, clock)
        self.kept = max(KEPT, most)
        self.most = self._open = most
        self._lengths = (SHORTEST, *self.cache_lengths)
        self._lock = threading.Lock()
        self._rows: list[Row] = []  # in the order in which they came
        self._came = 0  # so far
        self._runs = False  # a turn is under way, or submitted
        self._places: list[Row | None] = []
        self._cache: Cache = None
        self._cache_length = 0
        self._untold: list[tuple[Row, list[Choice] | Picked]] = []
        self._row_step_s: dict[tuple[int, int], float] = {}  # by rows and cache length

    # Warm-up

    def warm_up(self) -> Iterator[tuple[int, int]]:
        """As of a `Decoder`, with what writes rows in place of what writes one; while it runs, no more rows
        are written together than there are programs for."""
        self._open = FEWEST
        yield from super().warm_up()

    def _programs(self) -> list[tuple[Hashable, Callable[[], None]]]:
        def writing(rows: int, length: int) -> tuple[Hashable, Callable[[], None]]:
            return _of_rows(rows, length), partial(self._try_rows, rows, length)

        writes_one = {(length, 1): length for length in self.cache_lengths}
        first, *others = [
            writing(FEWEST, writes_one[name]) if name in writes_one else (name, run)
            for name, run in super()._programs()
        ]
        more = [writing(rows, length) for rows in self._tiers()[1:] for length in self._lengths]
        return [first, writing(FEWEST, SHORTEST), *others, *more]

    def _tiers(self) -> list[int]:
        """How many places there may be."""
        tiers = [FEWEST]
        while tiers[-1] < self.most:
            tiers.append(min(2 * tiers[-1], self.most))
        return tiers

    def _try_rows(self, rows: int, length: int) -> None:
        cache = self.steps.allocate_rows(rows, length)
        for other in self._lengths:
            cache = self.steps.join(cache, 0, self.steps.allocate(other))
            if other <= length:
                self.steps.leave(cache, 0, other)
        nobody = np.zeros(rows, np.int32)
        stops = np.stack([stop_array(())] * rows)
        drawing = _together([GREEDY] * rows)
        self.steps.write_rows(cache, nobody, nobody, nobody, stops, drawing, _nothing)
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
        over: Callable[[], bool],
        turn: int,  # noqa: ARG002 - nobody's turn ends another's
    ) -> Generator[Choice | Prefilled]:
        left = max_length - len(prompt)
        if not left:
            return
        draws = Draws(sampling, left)
        row = Row(prompt, forced, max_length, draws, stops, over, left, self.pace.longest())
        with self._lock:
            self._rows.append(row)
            self._came += 1
            if not self._runs:
                self._runs = True
                self._thread.submit(self._turn_of_all)
        shown: Prefilled | None = None
        look_s: float | None = LOOK_S
        try:
            while True:
                try:
                    told = row.told.get(timeout=look_s)
                except Empty:
                    if row.over():
                        return
                    reading = row.reading
                    now = None if reading is None else reading.prefilled()
                    if now is not None and now != shown:
                        shown = now
                        yield now
                    continue
                if told is None:
                    return
                if isinstance(told, Exception):
                    raise told
                yield from choices_of(told) if isinstance(told, Picked) else told
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
            waiting = [row for row in rows if not row.ended and not row.writes]
            if waiting:
                self._tell_all()
                self._read_one(waiting[0])
            waiting = [row for row in waiting if not row.ended and not row.writes]
            writing = [row for row in rows if not row.ended and row.writes]
            if not writing:
                self._tell_all()
            else:
                self._write_all(writing, waiting)
        except Exception as error:  # the cache of all is lost
            traceback.print_exc()
            self._places, self._cache = [], None
            self._tell_all()
            for row in rows:
                if row.writes and not row.ended:
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
        """Free the places of those who have ended, or whose callers have gone."""
        for row in rows:
            row.ended |= row.gone
        self._places = [None if row is None or row.ended else row for row in self._places]
        for row in rows:
            if row.ended and row.reading is not None:
                self._keep(row.reading.memory)
                row.reading = None

    def _keep(self, memory: Memory) -> None:
        self._memories.append(memory)
        alike = [one for one in self._memories if one.length == memory.length]
        for one in alike[: -self.kept]:
            self._memories.remove(one)
        while self._lacks_room():
            del self._memories[0]

    def _read_one(self, row: Row) -> None:
        """One pass of a prompt; what goes wrong is this row's alone."""
        try:
            if row.reading is None:
                row.reading = self._begin(row.prompt, row.forced, row.max_length)
            over = row.over()
            if not over:
                self._read_on(row.reading, row.draws.at(len(row.forced)), row.stops)
        except Exception as error:
            traceback.print_exc()
            row.reading = None
            row.told.put(error)
            row.ended = True
            return
        if over or not row.reading.plan:
            choices = row.reading.choices[: row.left]
            row.fed = len(row.reading.tokens)
            row.take([choice.id for choice in choices])
            row.writes = not row.ended
            self._untold.append((row, choices))
            self._tell_all()

    def _write_all(self, rows: list[Row], waiting: list[Row]) -> None:
        """One dispatch: tokens of each row, as many as the time of a burst and those who wait allow."""
        self._seat(rows)
        shape = (len(self._places), self._cache_length)
        step_s = self._row_step_s.get(shape)
        whole = 1 if step_s is None else max(1, min(BURST, int(BURST_S / step_s)))
        most = _fair(whole, waiting)
        places = self._places
        self._wait_for(_of_rows(*shape))
        compilations, started = self.steps.compilations, self._clock()
        self._cache, picked = self.steps.write_rows(
            self._cache,
            np.array([row.last if row else PADDING_ID for row in places], np.int32),
            np.array([row.fed if row else 0 for row in places], np.int32),
            np.array([min(row.left, most) if row else 0 for row in places], np.int32),
            np.stack([row.stops if row else _NO_STOPS for row in places]),
            _together([row.draws.at(row.made) if row else GREEDY for row in places]),
            self._tell_all,
        )
        steps = max(len(each.ids) for each in picked)
        if self.steps.compilations == compilations:
            spent = (self._clock() - started) / steps
            self._row_step_s[shape] = spent if step_s is None else 0.8 * step_s + 0.2 * spent
        for row, each in zip(places, picked, strict=True):
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

    def _seat(self, rows: list[Row]) -> None:
        """Give each row a place, in a cache that is large enough for a dispatch, and not much larger."""
        length = max(map(self._needs, rows))
        wanted = next(tier for tier in self._tiers() if tier >= len(rows))
        there, old = len(self._places), self._cache_length
        if length > old or wanted > there or length <= old // 4 or wanted <= there // 4:
            moved = [
                (row, self.steps.leave(self._cache, place, min(old, self._needs(row))))
                for place, row in enumerate(self._places)
                if row is not None
            ]
            self._places = [row for row, _ in moved] + [None] * (wanted - len(moved))
            self._cache = None  # before there is another
            self._cache = self.steps.allocate_rows(wanted, length)
            self._cache_length = length
            for place, (_, cache) in enumerate(moved):
                self._cache = self.steps.join(self._cache, place, cache)
        for row in rows:
            if row.reading is not None:
                place = self._places.index(None)
                self._cache = self.steps.join(self._cache, place, row.reading.memory.cache)
                self._places[place] = row
                self._keep(row.reading.memory)
                row.reading = None


def _fair(whole: int, waiting: list[Row]) -> int:
    """How many tokens others may write before the next pass, so that none of these waits for more than a
    `whole` dispatch in all: those before it are read first."""
    most, passes = whole, 0
    for row in waiting:
        passes += row.passes
        most = min(most, (whole - row.waited) // passes)
    return max(1, most)


_NO_STOPS = stop_array(())


def _of_rows(rows: int, length: int) -> Hashable:
    """The name, for the warm-up, of the program that writes so many rows in a cache of that length."""
    return "rows", rows, length


def _nothing() -> None:
    pass


def _together(drawings: Sequence[Drawing]) -> Drawing:
    """The drawings of all rows as one, each array with an axis of rows in front."""
    return Drawing(*(np.stack(each) for each in zip(*drawings, strict=True)))
