"""The decode loop: prefill the new part of the prompt, then decode tokens, on any backend.

This module deals in token ids. It knows nothing of text, cancellation or deadlines: the caller stops
iterating when it has enough, and is polled during a long prefill, every `POLL_S` and between passes. The
passes run on a separate thread, one at a time, so that the next one runs while the caller handles the last
one's tokens.
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
from codegemma_ui.workers.keras.pass_times import PassTimes
from codegemma_ui.workers.keras.planning import CHUNKS
from codegemma_ui.workers.keras.prefix_cache import CachedPrefix, PrefixCache
from codegemma_ui.workers.keras.prompt_lookup import Draft, DraftBudget
from codegemma_ui.workers.keras.sampling import GREEDY, Sampler, Sampling, TokenChoice, choices_of
from codegemma_ui.workers.keras.steps import (
    Cache,
    PassAbandoned,
    SamplingParams,
    Scores,
    Steps,
    TokenBatch,
    always,
    in_parts,
    stop_array,
)

# Padding of a chunk. Any id works: no real position attends to later ones.
PADDING_ID = 0

FREE = -1
"""Placeholder for a given token: the choice is free."""

VERIFY_TOKENS = CHUNKS[0]
"""Tokens of a verification: the last token, and a draft."""

VERIFY_COST = 2.5
"""Initial estimate of a verification's cost, in tokens decoded one by one."""

BURST_S = 0.03
"""Maximum seconds of a pass of several tokens, and so the longest wait after a cancellation."""

POLL_S = 0.05
"""Polling interval during a prefill, in seconds, for cancellation and progress."""

MARGIN = 1e-3
"""Minimum lead, in nats, of the first choice over the second for a verification to be trusted. Its sums have
another order than a step's; within rounding errors the step decides."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class PrefillProgress:
    """Progress of a prefill of more than one pass.

    Attributes:
        tokens: processed so far.
        total: to process: those not in the prefix cache.
    """

    tokens: int
    total: int


@dataclass(eq=False)
class Prefill:
    """A prefill in progress: a prompt and its forced tokens.

    Attributes:
        tokens: prompt and forced tokens.
        free: end of the prompt: a choice follows each token from the last of the prompt on.
        head: end of the chunks that give no choice, or only the last.
        cached: cache with the tokens processed.
        start: number of tokens found in the prefix cache.
        done: number of tokens it holds now.
        longest: largest chunk of the plan.
        plan: remaining passes: offset, size, and end of their tokens.
        passes: total number of passes, completed ones included.
        choices: choices so far.
        reached: like `done`, plus the pass under way in proportion to its completed parts.
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
        """Return the progress, or None for a single pass with no completed part."""
        reached = max(self.start, self.reached)
        if self.passes < 2 and reached == self.start:
            return None
        return PrefillProgress(reached - self.start, len(self.tokens) - self.start)


class Decoder:
    """Generate token ids from prompt ids with one model.

    Decodes one prompt at a time: a new `decode()` ends the previous one.

    Args:
        steps: compiled passes.
        context_length: maximum tokens, prompt included, that a caller may request.
        clock: seconds that pass.
        thread: thread that computes; by default a new one. Decoders of one process share it: on torch, OpenMP
            gives each computing thread a team, and the teams compete for the same cores.
        cached: KV caches per length kept for later prompts.

    Attributes:
        drafts: whether it ever tries drafts.
        prefix_cache: caches of earlier prompts.
        prefilled_tokens: tokens processed by the last prefill; fewer than the prompt's if the prefix cache
            held its beginning.

    Raises:
        ValueError: a context below two tokens: one to prefill, one to decode.
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
        self.pass_times = PassTimes(steps.weight_bytes, steps.parts)
        self._clock = clock
        self.prefix_cache = PrefixCache(steps, self.cache_lengths[-1], cached)
        self._turn = 0
        self._step_s: float | None = None  # seconds per token decoded one by one
        self._verify_cost = VERIFY_COST
        self._thread = thread or ThreadPoolExecutor(1, "decoder")
        # On torch, a second computing thread would bring its own OpenMP team.
        beside = self.steps.warms_up_concurrently
        self._tries = ThreadPoolExecutor(1, "warm-up") if beside else self._thread
        self._trying: dict[Hashable, Future[None]] = {}  # by program key
        self._untried: set[Hashable] = set()  # the warm-up comes to these later
        self._ran: set[Hashable] = set()

    # Warm-up

    def warm_up(self) -> Iterator[tuple[int, int]]:
        """Run each program once, the most needed first, so that no request compiles.

        Requests may run in between, and on most backends concurrently. A chunk whose pass would block longer
        than `pass_times.LONGEST_TRY_S` is left out; prefills do not use it either.

        Yields:
            The number of ready programs and the total: at the start, after each, and periodically.
        """
        programs = self._programs()
        self._untried = {name for name, _ in programs}
        try:
            yield 0, len(programs)
            for done, (name, run) in enumerate(programs, start=1):
                trying = self._trying[name] = self._tries.submit(run)
                while not futures.wait([trying], POLL_S).done:
                    yield done - 1, len(programs)
                del self._trying[name]
                trying.result()
                self._untried.discard(name)
                if done == len(programs):
                    self.steps.warmed()
                yield done, len(programs)
        finally:
            self._untried.clear()

    def _programs(self) -> list[tuple[Hashable, Callable[[], None]]]:
        """Return each program's key and a function that runs it once. A chunk's key is its cache's length and
        its size; size 1 is decoding, and 0 is sampling, which is the same for all lengths."""
        names = []
        for length in self.cache_lengths:
            shortest, short, *longer = planning.chunk_sizes(length)
            names += [(length, size) for size in (short, 1, *longer, shortest)]
        names.insert(2, (self.cache_lengths[0], 0))
        return [((length, size), partial(self._try, length, size)) for length, size in names]

    def _has_run(self, program: Hashable) -> bool:
        """Return whether a program that decodes has run before. Its first run compiles it, and is not timed.

        The number of compilations does not tell: while the warm-up compiles others, no burst would be timed,
        and tokens would come one to a pass.
        """
        ran = program in self._ran
        self._ran.add(program)
        return ran

    def _try(self, length: int, size: int) -> None:
        if size > CHUNKS[1] and self.pass_times.too_slow_to_try(size):
            return
        cache, stops = self.steps.allocate(length), stop_array(())
        ids = np.full(size or CHUNKS[1], PADDING_ID, np.int32)
        others = size > CHUNKS[1] or (size and length > self.cache_lengths[0])
        if others and in_parts(self.steps):
            # All parts run one program, whatever the pass. Long passes are estimated from short ones.
            with suppress(PassAbandoned):
                self.steps.prefill(cache, ids, 0, 0, stops, lambda done: not done)
        elif size == 1:
            self.steps.decode(cache, PADDING_ID, 0, 1, stops, GREEDY)
        else:
            cache, _, scores = self._timed(cache, ids, 0, 0, stops)
            if not size:
                self.steps.sample(scores, Sampler(Sampling(temperature=1.0), 1).at(0))
            elif self.pass_times.unknown(size):
                self._timed(cache, ids, 0, 0, stops)
        self._ran.add((length, size))

    def _wait_for(self, name: Hashable) -> None:
        """Wait for a compilation in progress instead of starting it a second time."""
        trying = self._trying.get(name)
        if trying is not None and self._tries is not self._thread:
            futures.wait([trying])

    # Decode

    def decode(self, *arguments: Any, **named: Any) -> Iterator[TokenChoice]:
        """Yield only the tokens of a `stream`; same arguments, same errors."""
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
        """Yield tokens until one of `stop_ids`, or until prompt and tokens together reach `max_length`.

        The first token follows the prefill, and is preceded by progress reports if that takes several passes
        and a while. The iterator may be closed or dropped at any time; a prompt that fills `max_length`
        yields no token.

        Args:
            prompt_ids: prompt, at least one token.
            max_length: prompt and generated tokens together, as in KerasHub's `generate()`.
            sampling: sampling settings.
            stop_ids: tokens that end the output.
            drafts: whether greedy tokens may be drafted from the context and verified together.
            cursor: index in the prompt where the new tokens belong, as text; drafts continue the text before
                it. None is the end.
            should_stop: called repeatedly during the prefill, from two threads; if true, the iterator ends at
                once, and the model is free after the current pass.
            forced: tokens that come first, however unlikely, stop tokens included; the tokens after them are
                those that the same seed draws at these positions.

        Returns:
            An iterator. It raises RuntimeError if advanced after another `decode()` has been called.

        Raises:
            ValueError: empty prompt, prompt and forced tokens longer than `max_length`, or `max_length`
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
        told = [*prompt[cursor:], *prompt[:cursor]] if guesses else None
        stops = stop_array(stop_ids)
        return self._tokens(
            prompt, given, max_length, sampling, stops, told, should_stop, self._turn
        )

    def forget(self) -> None:
        """Free the prefix cache after memory has run out."""
        self._thread.submit(self.prefix_cache.clear).result()

    def _tokens(
        self,
        prompt: list[int],
        forced: list[int],
        max_length: int,
        sampling: Sampling,
        stops: np.ndarray,
        told: list[int] | None,
        should_stop: Callable[[], bool],
        turn: int,
    ) -> Generator[TokenChoice | PrefillProgress]:
        """Yield what `stream` does.

        Args:
            told: the tokens that drafts come from; None for no drafts.
        """
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
        draft = None if told is None else Draft(told, VERIFY_TOKENS - 1)  # meanwhile
        yield from watch.follow(under_way)
        if not under_way.done():
            return
        while True:
            choices = under_way.result()[:left]
            made += len(choices)
            left -= len(choices)
            # Fewer than are forced if the prefill was interrupted.
            if not left or made <= len(forced) or choices[-1].id in stops:
                yield from choices
                return
            is_first = made == len(choices)
            if is_first:  # somebody waits for it, and the next pass takes all cores
                yield from choices
            last = choices[-1].id
            guess: list[int] = []
            if draft is not None:
                draft.extend([choice.id for choice in choices])
                guess = draft.guess()[: left - 1]
            if guess and self._verifies() and budget.worth_it(len(guess)):
                under_way = self._submit(turn, self._verify, last, guess, stops, budget)
            else:
                most, params = min(left, budget.burst), sampler.at(made)
                under_way = self._submit(turn, self._decode, last, most, stops, params, budget)
            if not is_first:
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

    # Passes: each runs on the thread, and returns its cache as the most recently used one.

    def _timed(
        self, cache: Cache, ids: np.ndarray, *further: Any
    ) -> tuple[Cache, TokenBatch, Scores]:
        """Run a `_pass`, and record its time if it compiled nothing."""
        compilations, started = self.steps.compilations, self._clock()
        done = self._pass(cache, ids, *further)
        if self.steps.compilations == compilations:
            self.pass_times.add(len(ids), self._clock() - started)
        return done

    def _pass(
        self,
        cache: Cache,
        ids: np.ndarray,
        offset: int,
        last: int,
        stops: np.ndarray,
        given: np.ndarray | None = None,
        should_continue: Callable[[int], bool] = always,
    ) -> tuple[Cache, TokenBatch, Scores]:
        """Prefill a chunk with the program of its size: `verify` for `VERIFY_TOKENS`, else `prefill`.

        Args:
            should_continue: as in `PartedSteps`, if the pass runs in parts.

        Raises:
            PassAbandoned: `should_continue` returned False.
        """
        if len(ids) != VERIFY_TOKENS:
            if in_parts(self.steps):
                return self.steps.prefill(cache, ids, offset, last, stops, should_continue)
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
        """Prefill the prompt and the forced tokens; return these as choices, and one more."""
        prefill = watch.prefill = self._begin(prompt, forced, max_length)
        with suppress(PassAbandoned):
            while prefill.plan and not watch.should_stop():
                self._prefill_pass(prefill, params, stops, watch.should_stop)
        self.prefix_cache.put(prefill.cached)
        return prefill.choices

    def _begin(self, prompt: list[int], forced: list[int], max_length: int) -> Prefill:
        """Start the prefill of a prompt, after its cached prefix."""
        length = self._length(max_length)
        cached, start = self.prefix_cache.take(prompt, length)
        # Only `verify` gives a choice per position, so it prefills forced tokens, from the prompt's last on.
        head = len(prompt) - 1 if forced else len(prompt)
        self.prefilled_tokens = 0
        prefill = Prefill(prompt + forced, len(prompt), head, cached, start, start)
        self._plan(prefill)
        return prefill

    def _plan(self, prefill: Prefill) -> None:
        """Plan the remaining passes, in chunks as long as the pass times allow."""
        longest = self.pass_times.longest()
        if prefill.longest == longest or prefill.done > prefill.head:
            return
        head, end, length = prefill.head, len(prefill.tokens), prefill.cached.length
        plan = [
            (offset, size, head)
            for offset, size in planning.chunks(prefill.done, head, length, longest)
        ]
        if head < prefill.free:  # with forced tokens
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
        """Run the next pass; the last one samples the final choice if needed.

        Raises:
            PassAbandoned: `should_stop` returned true during a pass that runs in parts.
        """
        self._plan(prefill)
        offset, size, end = prefill.plan.popleft()
        cached, tokens = prefill.cached, prefill.tokens
        part, following = tokens[offset : min(offset + size, end)], tokens[offset + 1 :][:size]
        ids, given = np.full(size, PADDING_ID, np.int32), np.full(size, FREE, np.int32)
        ids[: len(part)], given[: len(following)] = part, following
        last = len(part) - 1

        def should_continue(parts: int) -> bool:
            prefill.reached = offset + len(part) * parts // self.steps.parts
            return not should_stop()

        self._wait_for((cached.length, size))
        try:
            cached.cache, batch, scores = self._timed(
                cached.cache, ids, offset, last, stops, given, should_continue
            )
        except PassAbandoned as left:
            cached.cache = left.cache
            raise
        self.prefilled_tokens += size
        cached.tokens = tokens[: offset + len(part)]
        prefill.done = prefill.reached = len(cached.tokens)
        if size == VERIFY_TOKENS:
            first = prefill.free - 1 + len(prefill.choices) - offset
            prefill.choices += choices_of(batch.rows(first, len(part)))
        elif len(cached.tokens) == len(tokens):
            prefill.choices += choices_of(batch)
        if not prefill.plan and params.temperature > 0:
            token_id, logprob = self.steps.sample(scores, params)
            prefill.choices[-1] = replace(prefill.choices[-1], id=token_id, logprob=logprob)

    def _length(self, max_length: int) -> int:
        """Return the cache length that holds `max_length` tokens."""
        return next(length for length in self.cache_lengths if length >= max_length)

    def _decode(
        self, token: int, count: int, stops: np.ndarray, params: SamplingParams, budget: DraftBudget
    ) -> list[TokenChoice]:
        """Decode up to `count` tokens, as many as a burst's time allows."""
        fitting = 1 if self._step_s is None else int(BURST_S / self._step_s)
        count = max(1, min(count, fitting))
        cached = self.prefix_cache.take_last()
        self._wait_for((cached.length, 1))
        ran, started = self._has_run((cached.length, 1)), self._clock()
        cached.cache, batch = self.steps.decode(
            cached.cache, token, len(cached.tokens), count, stops, params
        )
        choices = choices_of(batch)
        if ran:
            spent = (self._clock() - started) / len(choices)
            self._step_s = spent if self._step_s is None else _smoothed(self._step_s, spent)
        cached.tokens += [token, *(choice.id for choice in choices[:-1])]
        self.prefix_cache.put(cached)
        budget.wrote(len(choices))
        return choices

    def _verifies(self) -> bool:
        """Return whether a draft can be verified without waiting for its program."""
        cached = self.prefix_cache.cached  # empty if a newer iterator has taken them
        return not cached or (cached[-1].length, VERIFY_TOKENS) not in self._untried

    def _verify(
        self, token: int, guess: list[int], stops: np.ndarray, budget: DraftBudget
    ) -> list[TokenChoice]:
        """Feed a token and a draft; keep the tokens that would have been chosen anyway."""
        latest = self.prefix_cache.cached[-1]
        if len(latest.tokens) + VERIFY_TOKENS > latest.length:
            return self._decode(token, 1, stops, GREEDY, budget)
        ids = np.full(VERIFY_TOKENS, PADDING_ID, np.int32)
        ids[: 1 + len(guess)] = token, *guess
        cached = self.prefix_cache.take_last()
        ran, started = self._has_run((cached.length, VERIFY_TOKENS)), self._clock()
        cached.cache, batch, _ = self._pass(cached.cache, ids, len(cached.tokens), 0, stops)
        choices = []
        for row, choice in enumerate(choices_of(batch)[: 1 + len(guess)]):
            if choice.logprob - choice.alternatives[1][1] < MARGIN:
                break
            choices.append(choice)
            if choice.id in stops or row == len(guess) or choice.id != guess[row]:
                break
        if ran and self._step_s is not None:
            cost = (self._clock() - started) / self._step_s
            self._verify_cost = _smoothed(self._verify_cost, cost)
            budget.verified(len(choices), cost)
        if choices:
            cached.tokens += [token, *guess[: len(choices) - 1]]
        self.prefix_cache.put(cached)
        return choices if choices else self._decode(token, 1, stops, GREEDY, budget)


class _PrefillWatch:
    """A caller's view of the prefill it waits for.

    Args:
        should_stop: returns true once the caller wants no more.

    Attributes:
        prefill: the prefill, once it has begun.
    """

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self._over, self._left = should_stop, threading.Event()
        self.prefill: Prefill | None = None

    def should_stop(self) -> bool:
        """Return whether to stop; once true, always true."""
        if not self._left.is_set() and self._over():
            self._left.set()
        return self._left.is_set()

    def follow(self, under_way: Future[list[TokenChoice]]) -> Generator[PrefillProgress]:
        """Yield the progress until the prefill is complete or should stop."""
        reported: PrefillProgress | None = None
        try:
            while not futures.wait((under_way,), POLL_S).done and not self.should_stop():
                now = None if self.prefill is None else self.prefill.prefilled()
                if now is not None and now != reported:
                    reported = now
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
