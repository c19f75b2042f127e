"""Cost or gain of a feature of the engine: the same request with and without it, in one process.

The order alternates. Speeds exclude the first token, so that the faster prefill of the second of two equal
prompts does not matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.speed.conversation import Conversation, SubjectFailed
from benchmarks.speed.plan import Plan
from benchmarks.speed.prompts import Prompt, Prompts

PROMPT_TOKENS = 200
DRAFTED_TOKENS = 8  # shorter middles give no speed to compare
COPYING, NOT_COPYING = "drafting where there is much to copy", "drafting in other code"
APPENDED_TOKENS = 4  # generated after an appended character: enough to check that they are the same


@dataclass(frozen=True)
class Answer:
    """The arrival time of each new token, in seconds, and its id."""

    arrivals_s: Sequence[float]
    token_ids: Sequence[int]

    @property
    def tokens_per_s(self) -> float:
        return (len(self.arrivals_s) - 1) / (self.arrivals_s[-1] - self.arrivals_s[0])


@dataclass(frozen=True)
class Pair:
    """One comparison, made once.

    Attributes:
        name: of the comparison.
        without: the figure without the feature.
        with_: the figure with it.
        unit: "tokens/s", or "s" for a first token.
        same_tokens: whether both gave the same tokens.
    """

    name: str
    without: float
    with_: float
    unit: str
    same_tokens: bool


Way = Callable[[], Answer]


def compare(
    extra: str, talk: Conversation, plan: Plan, prompts: Prompts, offers: Sequence[str]
) -> list[Pair]:
    """Make one comparison as often as planned; none if the engine does not support it.

    Args:
        extra: "streaming", "logprobs", "drafting" or "appending".
        talk: with a subject that is ready.
        plan: number of pairs and of tokens.
        prompts: of the model's vocabulary.
        offers: the subject's `Facts.offers`.

    Raises:
        SubjectFailed: the process did.
    """
    ends = time.perf_counter() + plan.extra_s
    windows = [prompts.window_text(PROMPT_TOKENS, number) for number in range(2 * plan.extra_pairs)]
    copies = prompts.copies()
    if extra == "appending":
        return _appending(talk, windows, prompts, ends)

    pairs: list[Pair] = []
    for number, window in enumerate(windows[: plan.extra_pairs]):
        ask = partial(_generate, talk, new_tokens=plan.extra_tokens)
        if extra == "streaming":
            streamed = partial(_events, talk, window, plan.extra_tokens)
            # A served request uses the engine's defaults, so the other one does too.
            bare = partial(ask, window, options=dict.fromkeys(offers))
            pairs.append(_alternately("text, events and the pipe", number, bare, streamed))
        if extra == "logprobs" and "alternatives" in offers:
            ways = _switched(ask, window, "alternatives")
            pairs.append(_alternately("logprobs and alternatives", number, *ways))
        if extra == "drafting" and "drafts" in offers:
            # Up to a stop token, as for a user: a model that is forced to continue repeats itself.
            ask = partial(ask, stop_ids=sorted(prompts.stop_ids))
            copied = copies[number % len(copies)]
            for name, prompt in ((COPYING, copied), (NOT_COPYING, window)):
                if len(ask(prompt).token_ids) >= DRAFTED_TOKENS:
                    pairs.append(_alternately(name, number, *_switched(ask, prompt, "drafts")))
        if time.perf_counter() > ends:
            break
    return pairs


def _switched(ask: Callable[..., Answer], prompt: Prompt, option: str) -> tuple[Way, Way]:
    return (
        partial(ask, prompt, options={option: False}),
        partial(ask, prompt, options={option: True}),
    )


def _alternately(name: str, number: int, without: Way, with_: Way) -> Pair:
    """Run both ways, in alternating order."""
    if number % 2:
        after = with_()
        before = without()
    else:
        before = without()
        after = with_()
    same = list(before.token_ids) == list(after.token_ids)
    return Pair(name, before.tokens_per_s, after.tokens_per_s, "tokens/s", same)


def _appending(
    talk: Conversation, windows: Sequence[Prompt], prompts: Prompts, ends: float
) -> list[Pair]:
    """Compare the first token of an unseen prompt with that right after the prompt one character shorter.

    In the layout SPM, where typed text is at the end. Other prompts come in between, so that nothing of the
    first time is left in a cache that holds one prompt.
    """
    name = "what one more character leaves to read (SPM)"
    pairs = []
    for seen, other in zip(windows[::2], windows[1::2], strict=True):
        whole = prompts.of_text(seen.prefix, seen.suffix, "spm")
        shorter = prompts.of_text(seen.prefix[:-1], seen.suffix, "spm")
        between = prompts.of_text(other.prefix, other.suffix, "spm")
        ask = partial(_generate, talk, new_tokens=APPENDED_TOKENS, options={"reuse": True})
        fresh = ask(whole)
        ask(between)
        ask(shorter)
        appended = ask(whole)
        same = list(fresh.token_ids) == list(appended.token_ids)
        pairs.append(Pair(name, fresh.arrivals_s[0], appended.arrivals_s[0], "s", same))
        if time.perf_counter() > ends:
            break
    return pairs


def _generate(
    talk: Conversation,
    prompt: Prompt,
    new_tokens: int,
    options: dict[str, Any] | None = None,
    stop_ids: Sequence[int] = (),
) -> Answer:
    answer = talk.ask(
        {
            "op": "generate",
            "prompt_ids": list(prompt.token_ids),
            "new_tokens": new_tokens,
            "stop_ids": list(stop_ids),
            "options": options or {},
        }
    )
    return Answer(answer["arrivals_s"], answer["token_ids"])


def _events(talk: Conversation, prompt: Prompt, new_tokens: int) -> Answer:
    """Generate with everything that turns tokens into events, timed at this end of the pipe."""
    request = {
        "prefix": prompt.prefix,
        "suffix": prompt.suffix,
        "max_length": len(prompt.token_ids) + new_tokens,
        "stop_on_repetition": False,
    }
    talk.send({"op": "events", "request": request})
    seconds: list[float] = []
    token_ids: list[int] = []
    while True:
        when, message = talk.receive()
        if message["bench"] == "done":
            break
        for event in message["events"]:
            if event["event"] == "token":
                seconds.append(when)
                token_ids.append(event["id"])
    if len(token_ids) != new_tokens:
        raise SubjectFailed(f"There must be {new_tokens} token events. Received: {len(token_ids)}")
    return Answer(seconds, token_ids)
