"""The decode loop: read what is new of the prompt, then write tokens, the same on every backend.

This file deals in token ids. It knows nothing of text, cancelling or deadlines: whoever iterates stops when
it has seen enough, and is asked while a long prompt is prefilled, every `pace.PASS_S` at least. The
passes run on a thread of their own, one at a time, so that the next one is under way while a caller deals
with the last one's tokens.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from codegemma_ui.workers.keras import planning, prefix_cache
from codegemma_ui.workers.keras.pace import Pace
from codegemma_ui.workers.keras.planning import CHUNKS
from codegemma_ui.workers.keras.prefix_cache import CachedPrefix, PrefixCache
from codegemma_ui.workers.keras.prompt_lookup import Draft, DraftBudget
from codegemma_ui.workers.keras.sampling import GREEDY, Sampler, Sampling, TokenChoice, choices_of
from codegemma_ui.workers.keras.steps import (
    Cache,
    GivenUp,
    SamplingParams,
    Scores,
    Steps,
    TokenBatch,
    always,
    in_parts,
    stop_array,
)

# What a padded chunk is filled with. Any id will do: no real position attends to what follows it.
PADDING_ID = 0

FREE = -1
"""In place of a token that is given: the choice is free."""

VERIFY_TOKENS = CHUNKS[0]
"""Tokens of a check: the last one, and a draft."""

VERIFY_COST = 2.5
"""What a check is taken to cost, in tokens written one by one, before there was one."""

BURST_S = 0.03
"""Seconds that a pass of several tokens may take: a person who stops waits no longer."""

LOOK_S = 0.05
"""Seconds between two looks, during a prefill, at whether to stop and how far it is."""

MARGIN = 1e-3
"""How much likelier (in nats) the first choice must be than the second for a check's word to count. A check
adds in another order than a step does; within rounding errors the step decides."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class PrefillProgress:
    """How far the prefill of a prompt is that takes more than one pass.

    Attributes:
        tokens: put through the model so far.
        total: to be put through it: what the prefix cache does not hold.
    """

    tokens: int
    total: int


@dataclass(eq=False)
class Prefill:
    """A prompt that is being read, with what is forced after it.

    Attributes:
        tokens: of both.
        free: where the prompt ends in them: a choice is told after each token from the last of the prompt on.
        head: where the chunks that tell nothing, or only the last choice, end.
        cached: what has been read.
        start: how many of the tokens the prefix cache held.
        done: how many it holds by now.
        longest: the largest chunk of the plan.
        plan: the passes still to come: offset, size, and where its tokens end.
        passes: how many there are, those that are done among them.
        choices: what has been told so far.
        reached: as `done`, with those of the pass under way in proportion to its parts.
    """

    tokens: list[int]
    free: int
    head: int
    cached: CachedPrefix
    start: int
    done: int
    longest: int = 0
    plan: deque[tuple[int, int, int]] = field(default_factory=deque)
    passes: int = 0
    choices: list[TokenChoice] = field(default_factory=list)
    reached: int = 0

    def prefilled(self) -> PrefillProgress | None:
        """How far it is; None where one pass does it all, of which no part is done."""
        reached = max(self.start, self.reached)
        if self.passes < 2 and reached == self.start:
            return None
        return PrefillProgress(reached - self.start, len(self.tokens) - self.start)


class Decoder:
    """Generates token ids from prompt ids with one model.

    Decodes one prompt at a time: a new `decode()` ends the one before it.

    Args:
        steps: the compiled passes.
        context_length: the most tokens, prompt included, that a caller may ask for.
        clock: seconds that pass.
        thread: the one that computes; a new one where it is left out. Two decoders of one process share it:
            on torch OpenMP gives each thread that computes a team, and the teams wait for the same cores.
        cached: how many KV caches of one length are kept for later prompts.

    Attributes:
        drafts: whether it ever tries drafts.
        prefix_cache: what earlier prompts left.
        prefilled_tokens: tokens that the last prefill put through the model; fewer than the prompt has where
            the prefix cache held its beginning.

    Raises:
        ValueError: a context of fewer than two tokens: one to read, one to write.
    """

    drafts = True

    def __init__(
        self,
        steps: Steps,
        context_length: int,
        clock: Callable[[], float] = time.perf_counter,
        thread: ThreadPoolExecutor | None = None,
        cached: int = prefix_cache.MOST,
    ) -> None:
        if context_length < 2:
            raise ValueError(
                "context_length should be at least 2: a token to read and one to write. "
                f"Received: {context_length}"
            )
        self.steps = steps
        self.context_length = context_length
        self.cache_lengths = planning.cache_lengths(context_length)
        self.prefilled_tokens = 0
        self.pace = Pace(steps.weight_bytes, steps.parts)
        self._clock = clock
        self.prefix_cache = PrefixCache(steps, self.cache_lengths[-1], cached)
        self._turn = 0
        self._step_s: float | None = None  # a token written one by one takes this
        self._verify_cost = VERIFY_COST
        self._thread = thread or ThreadPoolExecutor(1, "decoder")
        # Of torch, a second thread that computes would bring a team of its own.
        beside = self.steps.tried_beside
        self._tries = ThreadPoolExecutor(1, "warm-up") if beside else self._thread
        self._trying: dict[Hashable, Future[None]] = {}  # by the program's name

    # Warm-up

    def warm_up(self) -> Iterator[tuple[int, int]]:
        """Run each program once, those that most requests need first, so that no request compiles.

        Requests may run in between, and on most backends beside it. A chunk that would hold a person up,
        since its pass takes longer than `pace.LONGEST_TRY_S`, is left out: prefills do not take it either.

        Yields:
            How many are ready and how many there are: at the start, after each, and now and then.
        """
        programs = self._programs()
        yield 0, len(programs)
        for done, (name, run) in enumerate(programs, start=1):
            trying = self._trying[name] = self._tries.submit(run)
            while not futures.wait([trying], LOOK_S).done:
                yield done - 1, len(programs)
            del self._trying[name]
            trying.result()
            if done == len(programs):
                self.steps.warmed()
            yield done, len(programs)

    def _programs(self) -> list[tuple[Hashable, Callable[[], None]]]:
        """Each program's name, and what runs it once; for a chunk the name is its cache's length and its
        size, where 1 is decoding and 0 is sampling, the same for all lengths."""
        names = []
        for length in self.cache_lengths:
            shortest, short, *longer = planning.chunk_sizes(length)
            names += [(length, size) for size in (short, 1, *longer, shortest)]
        names.insert(2, (self.cache_lengths[0], 0))
        return [((length, size), partial(self._try, length, size)) for length, size in names]

    def _try(self, length: int, size: int) -> None:
        if size > CHUNKS[1] and self.pace.holds_up(size):
            return
        cache, stops = self.steps.allocate(length), stop_array(())
        ids = np.full(size or CHUNKS[1], PADDING_ID, np.int32)
        others = size > CHUNKS[1] or (size and length > self.cache_lengths[0])
        if others and in_parts(self.steps):
            # All parts run one program, whatever the pass is for. What a long pass takes, short ones tell.
            with suppress(GivenUp):
                self.steps.prefill(cache, ids, 0, 0, stops, lambda done: not done)
        elif size == 1:
            self.steps.decode(cache, PADDING_ID, 0, 1, stops, GREEDY)
        else:
            cache, _, scores = self._timed(cache, ids, 0, 0, stops)
            if not size:
                self.steps.sample(scores, Sampler(Sampling(temperature=1.0), 1).at(0))
            elif self.pace.unknown(size):
                self._timed(cache, ids, 0, 0, stops)

    def _wait_for(self, name: Hashable) -> None:
        """Let the warm-up compile what it is at, rather than compile it a second time."""
        trying = self._trying.get(name)
        if trying is not None and self._tries is not self._thread:
            futures.wait([trying])

    # Decode

    def decode(self, *arguments: Any, **named: Any) -> Iterator[TokenChoice]:
        """Yield the tokens of a `stream` alone; it takes the same arguments, and raises the same errors."""
        return _choices(self.stream(*arguments, **named))

    def stream(
        self,
        prompt_ids: Sequence[int],
        max_length: int,
        sampling: Sampling,
        stop_ids: Sequence[int] | frozenset[int] = (),
        drafts: bool = True,
        cursor: int | None = None,
        should_stop: Callable[[], bool] = _never,
        forced: Sequence[int] = (),
    ) -> Generator[TokenChoice | PrefillProgress]:
        """Yield tokens until one of `stop_ids`, or until prompt and tokens together are `max_length` long.

        The first comes as soon as the prompt has been prefilled; before it comes how far that is, where it
        takes several passes and a while. The iterator may be closed or dropped at any time; a prompt that
        fills `max_length` yields no token.

        Args:
            prompt_ids: the prompt, at least one token.
            max_length: prompt and generated tokens together, as in KerasHub's `generate()`.
            sampling: how each token is chosen.
            stop_ids: tokens after which nothing follows.
            drafts: whether greedy tokens may be guessed from the context and verified together.
            cursor: where in the prompt the new tokens belong, as text: what stands before it is what they
                go on from. None is its end.
            should_stop: asked again and again during the prefill, by two threads; where it says so, the
                iterator ends at once, and the model is free after the pass under way.
            forced: tokens that come first, however likely, stop tokens among them; what is drawn after them
                is what the same seed draws at these places.

        Returns:
            An iterator. It raises RuntimeError when it is advanced after another
            `decode()` has been called.

        Raises:
            ValueError: an empty prompt, prompt and forced tokens longer than `max_length`, or a `max_length`
                beyond the context.
        """
        prompt, given = [int(token) for token in prompt_ids], [int(token) for token in forced]
        if not prompt:
            raise ValueError("The prompt should hold at least one token. Received: no tokens")
        if max_length > self.context_length:
            raise ValueError(
                f"max_length should be at most the context, {self.context_length} tokens. "
                f"Received: {max_length}"
            )
        if len(prompt) + len(given) > max_length:
            raise ValueError(
                f"The prompt should fit in max_length, {max_length} tokens, with what is forced after it: "
                f"trim it. Received: {len(prompt)} and {len(given)} tokens"
            )
        self._turn += 1
        guesses = drafts and self.drafts and sampling.temperature == 0
        draft = Draft([*prompt[cursor:], *prompt[:cursor]], VERIFY_TOKENS - 1) if guesses else None
        stops = stop_array(stop_ids)
        return self._tokens(
            prompt, given, max_length, sampling, stops, draft, should_stop, self._turn
        )

    def forget(self) -> None:
        """Free the prefix cache, where memory has run out."""
        self._thread.submit(self.prefix_cache.clear).result()

    def _tokens(
        self,
        prompt: list[int],
        forced: list[int],
        max_length: int,
        sampling: Sampling,
        stops: np.ndarray,
        draft: Draft | None,
        should_stop: Callable[[], bool],
        turn: int,
    ) -> Generator[TokenChoice | PrefillProgress]:
        left, made = max_length - len(prompt), 0
        sampler = Sampler(sampling, left)
        budget = DraftBudget(self._verify_cost)
        if not left:
            return
        params = sampler.at(len(forced))
        watch = _PrefillWatch(should_stop)
        under_way = self._submit(
            turn, self._prefill, prompt, forced, max_length, params, stops, watch
        )
        yield from watch.follow(under_way)
        if not under_way.done():
            return
        while True:
            choices = under_way.result()[:left]
            made += len(choices)
            left -= len(choices)
            # Fewer than are forced where the reading was broken off.
            if not left or made <= len(forced) or choices[-1].id in stops:
                yield from choices
                return
            last = choices[-1].id
            guess: list[int] = []
            if draft is not None:
                draft.extend([choice.id for choice in choices])
                guess = draft.guess()[: left - 1]
            if guess and budget.worth_it(len(guess)):
                under_way = self._submit(turn, self._verify, last, guess, stops, budget)
            else:
                most, params = min(left, budget.burst), sampler.at(made)
                under_way = self._submit(turn, self._decode, last, most, stops, params, budget)
            yield from choices

    def _submit(
        self, turn: int, job: Callable[..., list[TokenChoice]], *arguments: object
    ) -> Future[list[TokenChoice]]:
        if turn != self._turn:
            raise RuntimeError(
                "This iterator has ended: a newer decode() has taken its place. Close an iterator "
                "before the next decode()."
            )
        return self._thread.submit(job, *arguments)

    # Passes: each runs on the thread, and puts the cache that it used back as the last used one.

    def _timed(
        self, cache: Cache, ids: np.ndarray, *further: Any
    ) -> tuple[Cache, TokenBatch, Scores]:
        """A `_pass`; tells the pace what it took if it compiled nothing."""
        compilations, started = self.steps.compilations, self._clock()
        done = self._pass(cache, ids, *further)
        if self.steps.compilations == compilations:
            self.pace.add(len(ids), self._clock() - started)
        return done

    def _pass(
        self,
        cache: Cache,
        ids: np.ndarray,
        offset: int,
        last: int,
        stops: np.ndarray,
        given: np.ndarray | None = None,
        goes_on: Callable[[int], bool] = always,
    ) -> tuple[Cache, TokenBatch, Scores]:
        """Prefill a chunk by the program of its size: `verify` for `VERIFY_TOKENS`, else `prefill`.

        Args:
            goes_on: as in `PartedSteps`, for what runs in parts.

        Raises:
            GivenUp: as `goes_on` wanted.
        """
        if len(ids) != VERIFY_TOKENS:
            if in_parts(self.steps):
                return self.steps.prefill(cache, ids, offset, last, stops, goes_on)
            return self.steps.prefill(cache, ids, offset, last, stops)
        given = np.full(VERIFY_TOKENS, FREE, np.int32) if given is None else given
        return self.steps.verify(cache, ids, offset, last, stops, given)

    def _prefill(
        self,
        prompt: list[int],
        forced: list[int],
        max_length: int,
        params: SamplingParams,
        stops: np.ndarray,
        watch: _PrefillWatch,
    ) -> list[TokenChoice]:
        """Read the prompt, then what is forced; returns these tokens as choices, and one more."""
        prefill = watch.prefill = self._begin(prompt, forced, max_length)
        with suppress(GivenUp):
            while prefill.plan and not watch.should_stop():
                self._prefill_pass(prefill, params, stops, watch.should_stop)
        self.prefix_cache.put(prefill.cached)
        return prefill.choices

    def _begin(self, prompt: list[int], forced: list[int], max_length: int) -> Prefill:
        """Start the prefill of a prompt, after what the prefix cache holds of it."""
        length = self._length(max_length)
        cached, start = self.prefix_cache.take(prompt, length)
        # Only checks tell of each position: with them, from the prompt's last token on, forced ones are read.
        head = len(prompt) - 1 if forced else len(prompt)
        self.prefilled_tokens = 0
        prefill = Prefill(prompt + forced, len(prompt), head, cached, start, start)
        self._plan(prefill)
        return prefill

    def _plan(self, prefill: Prefill) -> None:
        """Plan the passes still to come, in chunks as long as the pace allows."""
        longest = self.pace.longest()
        if prefill.longest == longest or prefill.done > prefill.head:
            return
        head, end, length = prefill.head, len(prefill.tokens), prefill.cached.length
        plan = [
            (offset, size, head)
            for offset, size in planning.chunks(prefill.done, head, length, longest)
        ]
        if head < prefill.free:  # some are forced
            plan += [
                (offset, VERIFY_TOKENS, end)
                for offset in planning.rows(head, end, VERIFY_TOKENS, length)
            ]
        prefill.passes += len(plan) - len(prefill.plan)
        prefill.longest, prefill.plan = longest, deque(plan)

    def _prefill_pass(
        self,
        prefill: Prefill,
        params: SamplingParams,
        stops: np.ndarray,
        should_stop: Callable[[], bool] = _never,
    ) -> None:
        """One pass more; the last one draws the choice after all, where it is to be drawn.

        Raises:
            GivenUp: in a pass that runs in parts, since `should_stop` said so.
        """
        self._plan(prefill)
        offset, size, end = prefill.plan.popleft()
        cached, tokens = prefill.cached, prefill.tokens
        part, following = tokens[offset : min(offset + size, end)], tokens[offset + 1 :][:size]
        ids, given = np.full(size, PADDING_ID, np.int32), np.full(size, FREE, np.int32)
        ids[: len(part)], given[: len(following)] = part, following
        last = len(part) - 1

        def goes_on(parts: int) -> bool:
            prefill.reached = offset + len(part) * parts // self.steps.parts
            return not should_stop()

        self._wait_for((cached.length, size))
        try:
            cached.cache, picked, scores = self._timed(
                cached.cache, ids, offset, last, stops, given, goes_on
            )
        except GivenUp as left:
            cached.cache = left.cache
            raise
        self.prefilled_tokens += size
        cached.tokens = tokens[: offset + len(part)]
        prefill.done = prefill.reached = len(cached.tokens)
        if size == VERIFY_TOKENS:
            first = prefill.free - 1 + len(prefill.choices) - offset
            prefill.choices += choices_of(picked.rows(first, len(part)))
        elif len(cached.tokens) == len(tokens):
            prefill.choices += choices_of(picked)
        if not prefill.plan and params.temperature > 0:
            token_id, logprob = self.steps.sample(scores, params)
            prefill.choices[-1] = replace(prefill.choices[-1], id=token_id, logprob=logprob)

    def _length(self, max_length: int) -> int:
        """The cache that holds so many tokens."""
        return next(length for length in self.cache_lengths if length >= max_length)

    def _decode(
        self, token: int, count: int, stops: np.ndarray, params: SamplingParams, budget: DraftBudget
    ) -> list[TokenChoice]:
        """Write up to `count` tokens, as many as the time of a burst allows."""
        fitting = 1 if self._step_s is None else int(BURST_S / self._step_s)
        count = max(1, min(count, fitting))
        cached = self.prefix_cache.take_last()
        self._wait_for((cached.length, 1))
        compilations, started = self.steps.compilations, self._clock()
        cached.cache, picked = self.steps.decode(
            cached.cache, token, len(cached.tokens), count, stops, params
        )
        choices = choices_of(picked)
        if self.steps.compilations == compilations:
            spent = (self._clock() - started) / len(choices)
            self._step_s = spent if self._step_s is None else _smoothed(self._step_s, spent)
        cached.tokens += [token, *(choice.id for choice in choices[:-1])]
        self.prefix_cache.put(cached)
        budget.wrote(len(choices))
        return choices

    def _verify(
        self, token: int, guess: list[int], stops: np.ndarray, budget: DraftBudget
    ) -> list[TokenChoice]:
        """Feed a token and a guess of what follows; keep what would have been written anyway."""
        latest = self.prefix_cache.cached[-1]
        if len(latest.tokens) + VERIFY_TOKENS > latest.length:
            return self._decode(token, 1, stops, GREEDY, budget)
        ids = np.full(VERIFY_TOKENS, PADDING_ID, np.int32)
        ids[: 1 + len(guess)] = token, *guess
        cached = self.prefix_cache.take_last()
        compilations, started = self.steps.compilations, self._clock()
        cached.cache, picked, _ = self._pass(cached.cache, ids, len(cached.tokens), 0, stops)
        choices = []
        for row, choice in enumerate(choices_of(picked)[: 1 + len(guess)]):
            if choice.logprob - choice.alternatives[1][1] < MARGIN:
                break
            choices.append(choice)
            if choice.id in stops or row == len(guess) or choice.id != guess[row]:
                break
        if self.steps.compilations == compilations and self._step_s is not None:
            cost = (self._clock() - started) / self._step_s
            self._verify_cost = _smoothed(self._verify_cost, cost)
            budget.verified(len(choices), cost)
        if choices:
            cached.tokens += [token, *guess[: len(choices) - 1]]
        self.prefix_cache.put(cached)
        return choices if choices else self._decode(token, 1, stops, GREEDY, budget)


class _PrefillWatch:
    """What a caller knows of the prefill that it waits for.

    Args:
        should_stop: says that the caller wants nothing more.

    Attributes:
        prefill: what is being prefilled, once that has begun.
    """

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._over, self._left = should_stop, threading.Event()
        self.prefill: Prefill | None = None

    def should_stop(self) -> bool:
        """Whether nothing more is wanted; once so, always so."""
        if not self._left.is_set() and self._over():
            self._left.set()
        return self._left.is_set()

    def follow(self, under_way: Future[list[TokenChoice]]) -> Generator[PrefillProgress]:
        """Yield how far it is, until it is done or to stop."""
        told: PrefillProgress | None = None
        try:
            while not futures.wait((under_way,), LOOK_S).done and not self.should_stop():
                now = None if self.prefill is None else self.prefill.prefilled()
                if now is not None and now != told:
                    told = now
                    yield now
        except GeneratorExit:
            self._left.set()
            raise


def _choices(events: Generator[TokenChoice | PrefillProgress]) -> Iterator[TokenChoice]:
    with closing(events):
        for event in events:
            if isinstance(event, TokenChoice):
                yield event


def _smoothed(before: float, now: float) -> float:
    return 0.8 * before + 0.2 * now
