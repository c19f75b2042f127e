"""Replay of a typing trace, with a completion after each keystroke and its latency.

Each completion runs to its end before the next keystroke is replayed, so that each has a time; the trace's
own pauses show whether the person would still have been waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.speed import typing_trace
from benchmarks.speed.conversation import Conversation, SubjectFailed
from benchmarks.speed.plan import Plan
from benchmarks.speed.prompts import Prompt, Prompts
from codegemma_ui import fim

Complete = Callable[[Prompt], int]
"""Completes a prompt, waits for its last token, and returns their number."""


@dataclass(frozen=True)
class Typed:
    """One keystroke's completion.

    Attributes:
        layout: of the prompt.
        seconds: from the keystroke to the finished completion.
        tokens: new tokens, including the stop token.
        rest_s: pause of the person after this keystroke.
    """

    layout: fim.Layout
    seconds: float
    tokens: int
    rest_s: float


def of_subject(talk: Conversation, plan: Plan, prompts: Prompts) -> list[Typed]:
    """Replay against a subject of `engine/`, which may use its cache of earlier prompts.

    Raises:
        SubjectFailed: the process did.
    """

    def complete(prompt: Prompt) -> int:
        answer = talk.ask(
            {
                "op": "generate",
                "prompt_ids": list(prompt.token_ids),
                "new_tokens": plan.typing_tokens,
                "stop_ids": sorted(prompts.stop_ids),
                "options": {"reuse": True},
            }
        )
        return len(answer["token_ids"])

    return _replay(complete, plan, prompts)


def of_worker(talk: Conversation, plan: Plan, prompts: Prompts) -> list[Typed]:
    """Replay against the playground's own worker, over its own protocol.

    Raises:
        SubjectFailed: the process did, or a completion ended in an error.
    """

    def complete(prompt: Prompt) -> int:
        request = {
            "prefix": prompt.prefix,
            "suffix": prompt.suffix,
            "max_length": len(prompt.token_ids) + plan.typing_tokens,
            "stop_on_repetition": False,
            "layout": prompt.layout,
        }
        talk.send({"op": "complete", "request_id": "typing", "request": request})
        while True:
            _, message = talk.receive()
            last = message.get("events", [{}])[-1]
            match last.get("event"):
                case "done":
                    return int(last["completion_tokens"])
                case "error":
                    raise SubjectFailed(last["message"])

    return _replay(complete, plan, prompts)


def _replay(complete: Complete, plan: Plan, prompts: Prompts) -> list[Typed]:
    typed: list[Typed] = []
    moments = typing_trace.recorded()[: plan.typing_moments]
    for layout in fim.FIM_LAYOUTS:
        began = time.perf_counter()
        for moment in moments:
            # As on the page, the text is encoded again after every keystroke.
            started = time.perf_counter()
            prompt = prompts.of_text(moment.prefix, moment.suffix, layout)
            tokens = complete(prompt)
            ended = time.perf_counter()
            typed.append(Typed(layout, ended - started, tokens, moment.rest_s))
            if ended - began > plan.typing_s:
                break
    return typed
