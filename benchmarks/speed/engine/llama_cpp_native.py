"""llama.cpp built for this processor, from llama-cpp-python's sources, through its C functions alone."""

from __future__ import annotations

import argparse
import ctypes
import re
import time
from collections.abc import Iterator, Sequence

import gguf
import llama_cpp

from benchmarks.speed.engine.llama_cpp_files import gguf_file
from benchmarks.speed.engine.subject import NO_CUDA, Arrivals, Facts, Generated, Request, serve
from benchmarks.speed.prompts import common_start

_FLASH = {"off": 0, "on": 1}  # enum llama_flash_attn_type


class LlamaCppNative:
    """A GGUF file and one sequence; see `subject.Engine`."""

    def __init__(self, given: argparse.Namespace) -> None:
        started = time.perf_counter()
        if given.device == "cuda":
            raise RuntimeError(f"llama-cpp-python {NO_CUDA}")
        llama_cpp.llama_backend_init()
        self._model, self._context = _load(given)
        self._sampler = llama_cpp.llama_sampler_init_greedy()
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._cached: list[int] = []
        loaded = time.perf_counter()
        tensors = gguf.GGUFReader(gguf_file(given.weights)).tensors
        features = re.findall(r"(\w+) = 1", llama_cpp.llama_print_system_info().decode())
        self.facts = Facts(
            load_s=loaded - started,
            warm_up_s=0.0,
            parameters=sum(int(tensor.n_elements) for tensor in tensors),
            weight_bytes=sum(int(tensor.n_bytes) for tensor in tensors),
            device="CPU",
            note=f"its CPU code is built with {', '.join(features)}",
            offers=("reuse",),
            aside_s=time.perf_counter() - loaded,
        )

    def generate(self, request: Request) -> Generated:
        arrivals = Arrivals()
        for token_id in self._tokens(request):
            arrivals.add(token_id)
            if token_id in request.stop_ids:
                break
        return arrivals.generated()

    def device_peak_bytes(self) -> int | None:
        return None

    def _tokens(self, request: Request) -> Iterator[int]:
        prompt = list(request.prompt_ids)
        seen = self._cached if request.options.get("reuse") else []
        kept = common_start(seen, prompt[:-1])
        llama_cpp.llama_memory_seq_rm(self._memory, 0, kept, -1)
        self._cached = prompt[:kept]
        self._decode(prompt[kept:])
        for number in range(request.new_tokens):
            token_id = llama_cpp.llama_sampler_sample(self._sampler, self._context, -1)
            yield token_id
            if number + 1 < request.new_tokens:
                self._decode([token_id])

    def _decode(self, token_ids: Sequence[int]) -> None:
        """Put tokens through the model after those in the cache."""
        ids = (llama_cpp.llama_token * len(token_ids))(*token_ids)
        batch = llama_cpp.llama_batch_get_one(ids, len(token_ids))
        if llama_cpp.llama_decode(self._context, batch):
            raise RuntimeError(f"llama_decode failed after {len(self._cached)} tokens")
        self._cached += token_ids


def _load(given: argparse.Namespace) -> tuple[ctypes.c_void_p, ctypes.c_void_p]:
    settings = given.settings
    of_model = llama_cpp.llama_model_default_params()
    if settings.get("mmap") == "off":
        of_model.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
    of_model.use_extra_bufts = settings.get("repack", "on") == "on"
    path = str(gguf_file(given.weights)).encode()
    model = llama_cpp.llama_model_load_from_file(path, of_model)
    of_context = llama_cpp.llama_context_default_params()
    of_context.n_ctx = of_context.n_batch = given.context_length
    of_context.n_threads = of_context.n_threads_batch = given.threads
    if "flash" in settings:
        of_context.flash_attn_type = _FLASH[settings["flash"]]
    if "cache" in settings:
        cache = getattr(llama_cpp, f"GGML_TYPE_{settings['cache'].upper()}")
        of_context.type_k = of_context.type_v = cache
    if "ubatch" in settings:
        of_context.n_ubatch = int(settings["ubatch"])
    context = llama_cpp.llama_init_from_model(model, of_context) if model else None
    if not context:
        raise RuntimeError("llama.cpp did not load the model")
    return model, context


if __name__ == "__main__":
    serve(LlamaCppNative)
