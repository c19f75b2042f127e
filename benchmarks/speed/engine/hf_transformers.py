"""transformers' `generate()` with a streamer, in three ways.

"dynamic" grows its cache; "compile" uses a static one and compiles the step with `torch.compile`;
"lookup" drafts from n-grams of the prompt (`prompt_lookup_num_tokens`) over the dynamic cache.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
import transformers

from benchmarks.speed.engine.subject import NO_CUDA, Arrivals, Facts, Generated, Request, serve

LOOKUP_TOKENS = 10
"""Tokens drafted at a time, as in the method's demonstration
(https://github.com/apoorvumang/prompt-lookup-decoding)."""

CACHE_STEP = 512
"""The length of a static cache is a multiple of this, so that few lengths compile, as in our own engine."""


class Streamer(transformers.generation.streamers.BaseStreamer):  # type: ignore[misc]
    """Records arrival times of tokens. The first value given to a streamer is the prompt."""

    def __init__(self) -> None:
        self.arrivals = Arrivals()
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            self.arrivals.add(*value.flatten().tolist())
        self._prompt_seen = True

    def end(self) -> None:
        pass


class Transformers:
    """A `GemmaForCausalLM`; see `subject.Engine`."""

    def __init__(self, given: argparse.Namespace) -> None:
        started = time.perf_counter()
        if given.device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError(f"torch {NO_CUDA}")
        torch.set_num_threads(given.threads)
        self._cuda = given.device == "cuda"
        model = transformers.AutoModelForCausalLM.from_pretrained(
            given.weights,
            dtype=getattr(torch, given.dtype),
            attn_implementation=given.settings.get("attention"),
        )
        self._model = model.to(given.device).eval()
        self._mode = given.mode
        generation = self._model.generation_config
        generation.eos_token_id = None  # nothing ends it before the last token
        generation.pad_token_id = 0
        weights = list(self._model.parameters())
        self.facts = Facts(
            load_s=time.perf_counter() - started,
            warm_up_s=0.0,
            parameters=sum(weight.numel() for weight in weights),
            weight_bytes=sum(weight.numel() * weight.element_size() for weight in weights),
            device=torch.cuda.get_device_name(0) if self._cuda else "CPU",
        )

    def generate(self, request: Request) -> Generated:
        streamer = Streamer()
        ids = torch.tensor([list(request.prompt_ids)], device=self._model.device)
        with torch.inference_mode():
            self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=request.new_tokens,
                do_sample=False,
                streamer=streamer,
                eos_token_id=list(request.stop_ids) or None,
                **self._way(ids.shape[1] + request.new_tokens),
            )
        return streamer.arrivals.generated()

    def _way(self, total: int) -> dict[str, Any]:
        if self._mode == "lookup":
            return {"prompt_lookup_num_tokens": LOOKUP_TOKENS}
        if self._mode == "compile":
            compiling: Any = transformers.CompileConfig()
            # It compiles on GPUs only, unless this is set (`_valid_auto_compile_criteria`, 5.24).
            compiling._compile_all_devices = True
            return {
                "cache_implementation": "static",
                "max_cache_len": -(-total // CACHE_STEP) * CACHE_STEP,
                "compile_config": compiling,
            }
        return {}

    def device_peak_bytes(self) -> int | None:
        return int(torch.cuda.max_memory_allocated()) if self._cuda else None


if __name__ == "__main__":
    serve(Transformers)
