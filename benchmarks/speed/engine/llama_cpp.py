"""llama.cpp through the xllamacpp wheel: its server in this process, called without HTTP."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import gguf
import xllamacpp

from benchmarks.speed.engine.llama_cpp_files import gguf_file
from benchmarks.speed.engine.subject import NO_CUDA, Arrivals, Facts, Generated, Request, serve

_GPU = xllamacpp.ggml_backend_dev_type.GGML_BACKEND_DEVICE_TYPE_GPU
_FLASH = {
    "on": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    "off": xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}
_WARNINGS = 2  # its log level


class LlamaCpp:
    """A GGUF file and one slot; see `subject.Engine`."""

    def __init__(self, given: argparse.Namespace) -> None:
        started = time.perf_counter()
        cards = [one for one in xllamacpp.get_device_info() if one["type"] == _GPU]
        cuda = given.device == "cuda"
        if cuda and not cards:
            raise RuntimeError(f"xllamacpp {NO_CUDA}")
        self._server = xllamacpp.Server(parameters(given))
        loaded = time.perf_counter()

        tensors = gguf.GGUFReader(gguf_file(given.weights)).tensors
        self.facts = Facts(
            load_s=loaded - started,
            warm_up_s=0.0,
            parameters=sum(int(tensor.n_elements) for tensor in tensors),
            weight_bytes=sum(int(tensor.n_bytes) for tensor in tensors),
            device=cards[0]["description"] if cuda else "CPU",
            note=f"its CPU code is built with {', '.join(cpu_features())}",
            offers=("reuse",),
            aside_s=time.perf_counter() - loaded,
        )

    def generate(self, request: Request) -> Generated:
        stop_ids = frozenset(request.stop_ids)
        asked = {
            "prompt": list(request.prompt_ids),
            "max_tokens": request.new_tokens,
            "ignore_eos": not stop_ids,
            "cache_prompt": bool(request.options.get("reuse")),
            # Greedy. It returns ids only with probabilities. Those of the single candidate that the sampler
            # leaves cost less than 1/200 of a token's time (256,000 pieces, 270M parameters, q8_0).
            "samplers": ["top_k"],
            "top_k": 1,
            **{"logprobs": 1, "n_probs": 1, "post_sampling_probs": True},
        }
        arrivals = Arrivals()

        def on_chunk(chunk: dict[str, Any]) -> bool:
            token_ids = _ids(chunk)
            arrivals.add(*token_ids)
            return not stop_ids.isdisjoint(token_ids)  # true ends it

        self._server.handle_completions({**asked, "stream": True}, on_chunk)
        ended_s = time.perf_counter() - arrivals.started
        if stop_ids or len(arrivals.token_ids) == request.new_tokens:
            return arrivals.generated()
        # While a character's bytes are incomplete it sends nothing, and their ids are lost. A second, whole
        # request returns them; each is taken to arrive with the next one.
        whole = _ids(self._server.handle_completions(asked))
        return Generated(arrivals_s=aligned(arrivals, whole, ended_s), token_ids=whole)

    def device_peak_bytes(self) -> int | None:
        return None  # llama.cpp does not count


def parameters(given: argparse.Namespace) -> xllamacpp.CommonParams:
    """Return the parameters of its server; `settings` has those of `subjects.LLAMA_CPP_SETTINGS`."""
    settings, cuda = given.settings, given.device == "cuda"
    params = xllamacpp.CommonParams()
    params.model.path = str(gguf_file(given.weights))
    params.n_ctx = given.context_length
    params.n_gpu_layers = -1 if cuda else 0
    params.cpuparams.n_threads = given.threads
    params.cpuparams_batch.n_threads = given.threads
    params.verbosity = _WARNINGS
    if "flash" in settings:
        params.flash_attn_type = _FLASH[settings["flash"]]
    if "cache" in settings:
        cache = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{settings['cache'].upper()}")
        params.cache_type_k = params.cache_type_v = cache
    params.no_extra_bufts = settings.get("repack") == "off"
    if settings.get("mmap") == "off":
        params.load_mode = xllamacpp.llama_load_mode.LLAMA_LOAD_MODE_NONE
    if "ubatch" in settings:
        params.n_ubatch = int(settings["ubatch"])
    return params


def cpu_features() -> list[str]:
    """Return the instruction sets and options of this build of llama.cpp, as it names them.

    A wheel from PyPI is built for any machine, without AVX-512 or AMX, according to its README.
    """
    return re.findall(r"(\w+) = 1", xllamacpp.get_system_info())


def _ids(answer: Mapping[str, Any]) -> list[int]:
    """Return the token ids in a response or a part of one."""
    found = answer["choices"][0].get("logprobs") or {}
    return [int(token["id"]) for token in found.get("content", ())]


def aligned(came: Arrivals, whole: Sequence[int], ended_s: float) -> list[float]:
    """Return the arrival time of each id, where some were held back.

    Args:
        came: the ids that arrived one by one, in the same order.
        whole: all ids.
        ended_s: end of the response, when ids still held back arrived.
    """
    seconds: list[float] = []
    place = 0
    for token_id in whole:
        if place == len(came.token_ids):
            seconds.append(ended_s)
            continue
        seconds.append(came.seconds[place])
        place += came.token_ids[place] == token_id
    return seconds


if __name__ == "__main__":
    serve(LlamaCpp)
