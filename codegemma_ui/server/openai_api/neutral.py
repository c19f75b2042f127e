"""Unsupported options of other servers: accepted at values without effect, else refused by name.

Clients written for llama.cpp or vLLM send all their options, most at the value that turns an option off.
Sources: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md (`/completion`), and
https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (extra parameters of completions). Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from codegemma_ui.ipc import checks
from codegemma_ui.server.openai_api.problems import Problem

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    # OpenAI's
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logit_bias": ({}, []),
    # Of both servers
    "min_p": (0,),
    "ignore_eos": (False,),
    "grammar": ("",),
    # llama.cpp's
    "typical_p": (1,),
    "tfs_z": (1,),
    "top_n_sigma": (-1, 0),
    "repeat_penalty": (1,),
    "mirostat": (0,),
    "dynatemp_range": (0,),
    "dry_multiplier": (0,),
    "xtc_probability": (0,),
    "adaptive_target": (-1,),
    "min_keep": (0, 1),
    "n_probs": (0,),
    "n_cmpl": (1,),
    "lora": ([],),
    "json_schema": (),
    "return_tokens": (False,),
    "return_progress": (False,),
    "post_sampling_probs": (False,),
    "timings_per_token": (False,),
    "response_fields": ([],),
    # vLLM's
    "repetition_penalty": (1,),
    "length_penalty": (1,),
    "use_beam_search": (False,),
    "early_stopping": (False,),
    "min_tokens": (0,),
    "stop_token_ids": ([],),
    "include_stop_str_in_output": (False,),
    "prompt_logprobs": (),
    "truncate_prompt_tokens": (),
    "add_special_tokens": (True,),
    "response_format": ({"type": "text"},),
}
"""Name -> the values without effect; null is always one."""

NO_EFFECT = frozenset(
    {
        *("user", "metadata", "store", "safety_identifier", "service_tier"),
        # How a server works, not what it returns: its cache, its slots, its prefill.
        *(
            "cache_prompt",
            "id_slot",
            "t_max_prompt_ms",
            "n_indent",
            "n_keep",
            "n_discard",
            "priority",
        ),
        # Parameters of options that are off: the window of penalties, the constants and order of samplers.
        *("samplers", "repeat_last_n", "penalize_nl", "mirostat_tau", "mirostat_eta"),
        *("dynatemp_exponent", "xtc_threshold", "adaptive_decay"),
        *("dry_base", "dry_allowed_length", "dry_penalty_last_n", "dry_sequence_breakers"),
        # About control tokens, which are never part of a response's text.
        *("skip_special_tokens", "spaces_between_special_tokens"),
    }
)
"""Accepted with any value."""


def is_neutral(given: Mapping[str, Any], name: str) -> bool:
    """Return whether an option has no effect: it is missing, null, or one of its neutral values."""
    value = given.get(name)
    return value is None or value in NEUTRAL[name]


def check(given: Mapping[str, Any]) -> None:
    """Refuse unsupported options.

    Raises:
        Problem: names the option, the accepted value and the received one.
    """
    for name, values in NEUTRAL.items():
        if is_neutral(given, name):
            continue
        empty = not values or values[0] in ("", [], {})
        must = "empty" if empty else json.dumps(values[0])
        raise Problem.wrong(
            name,
            f"{name} must be {must}; no other value is supported. "
            f"Received: {checks.shown(given[name])}",
            "not_supported",
        )
