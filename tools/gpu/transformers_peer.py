"""transformers' Gemma on a card, with random weights: `generate()` over a static cache, its step compiled.

`python -m tools.gpu.transformers_peer --shape 2b` is asked for "load", "prompt 200" and "together"
(`child.py`), with the same prompts as `engine.py` and a cache of the same length. It compiles the decode
step with `torch.compile` and CUDA graphs (mode "reduce-overhead"), and reads prompts uncompiled.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
import transformers

from benchmarks.speed.engine.subject import peak_bytes
from codegemma_ui.workers.keras import planning
from tools.gpu import workload
from tools.gpu.card import NO_CUDA
from tools.gpu.child import serve
from tools.gpu.results import Figures
from tools.gpu.workload import Workload


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", required=True)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    run = workload.workload(given.shape, given.small)
    serve(Transformers(run, given.small).measure)


class Streamer(transformers.generation.streamers.BaseStreamer):  # type: ignore[misc]
    """Records when tokens arrive, of all rows at once. The first value given to it is the prompt."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.seconds: list[float] = []
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self._prompt_seen:
            value.tolist()
            self.seconds.append(time.perf_counter() - self.started)
        self._prompt_seen = True

    def end(self) -> None:
        pass


class Transformers:
    """A `GemmaForCausalLM` in bfloat16, made when it is first asked for anything.

    Args:
        run: what is measured.
        small: on the CPU.
    """

    def __init__(self, run: Workload, small: bool) -> None:
        self._run, self._small = run, small
        self._device = "cpu" if small else "cuda"
        self._model: Any = None
        self._load: dict[str, Any] = {}
        self._seed = 0  # of the next prompt

    def measure(self, name: str) -> Figures:
        """Return the figures of "load", "prompt N" or "together".

        Raises:
            RuntimeError: torch finds no card.
        """
        if self._model is None:
            self._make()
        kind, *rest = name.split()
        if kind == "load":
            figures: Figures = self._load
        elif kind == "prompt":
            runs, compiling = self._runs(int(rest[0]), 1)
            figures = {**workload.timed(runs), **compiling}
        else:
            runs, compiling = self._runs(self._run.streams_prompt, self._run.streams)
            rows = [[times] * self._run.streams for times in runs]  # all get a token at once
            count = {"streams": self._run.streams, "at_once": self._run.streams}
            figures = {**workload.timed_together(rows), **compiling, **count}
        peak = peak_bytes() if self._small else torch.cuda.max_memory_allocated()
        device = {"device": self._load["device"]}
        return {**device, **figures, "peak_gb": None if peak is None else peak / 1e9}

    def _make(self) -> None:
        if not self._small and not torch.cuda.is_available():
            raise RuntimeError(f"torch {NO_CUDA}")
        begun, shape = time.perf_counter(), self._run.shape
        config = transformers.GemmaConfig(
            vocab_size=shape.vocabulary_size,
            hidden_size=shape.hidden_dim,
            intermediate_size=shape.intermediate_dim // 2,
            num_hidden_layers=shape.num_layers,
            num_attention_heads=shape.num_query_heads,
            num_key_value_heads=shape.num_key_value_heads,
            head_dim=shape.head_dim,
            max_position_embeddings=self._run.context_length,
            eos_token_id=None,  # nothing ends it before the last token
            pad_token_id=0,
        )
        with torch.device(self._device):
            automatic: Any = transformers.AutoModelForCausalLM
            model = automatic.from_config(config, dtype=torch.bfloat16)
        model.generation_config.eos_token_id = None
        self._model = model.eval()
        weights = list(model.parameters())
        self._load = {
            "device": "cpu" if self._small else torch.cuda.get_device_name(0),
            "backend": f"torch {torch.__version__}",
            "transformers": transformers.__version__,
            "attention": model.config._attn_implementation,
            "weights_s": time.perf_counter() - begun,
            "parameters": sum(weight.numel() for weight in weights),
            "weight_bytes": sum(weight.numel() * weight.element_size() for weight in weights),
        }

    def _runs(self, tokens: int, rows: int) -> tuple[list[list[float]], Figures]:
        """Return when the tokens of each run arrived, and the seconds of the first, which compiles."""
        # Compiled anew for each length, or the second would get a program of any length, which is slower.
        torch.compiler.reset()
        if hasattr(self._model, "_compiled_call"):
            del self._model._compiled_call
        lengths = planning.cache_lengths(self._run.context_length)
        length = next(one for one in lengths if one >= tokens + self._run.new_tokens)
        # One cache for all runs: `cache_implementation="static"` makes one for each, and as the program
        # holds its addresses, compiles again (5.17).
        cache = transformers.StaticCache(config=self._model.config, max_cache_len=length)
        begun = time.perf_counter()
        self._arrivals(tokens, rows, cache)
        compile_s = time.perf_counter() - begun

        def run() -> list[float]:
            return self._arrivals(tokens, rows, cache)

        workload.repeated(run, self._run.warm)
        runs = workload.repeated(run, self._run.repeats)
        return runs, {"runs": len(runs), "first_run_s": compile_s, "cache_length": length}

    def _arrivals(self, tokens: int, rows: int, cache: Any) -> list[float]:
        prompts = []
        for _ in range(rows):
            self._seed += 1
            prompts.append(workload.prompt(self._run.shape, tokens, self._seed))
        compiling: Any = transformers.CompileConfig()
        if (
            self._small
        ):  # it compiles on GPUs only, unless this is set (`_valid_auto_compile_criteria`, 5.24)
            compiling._compile_all_devices = True
        ids = torch.tensor(prompts, device=self._device)
        with torch.inference_mode():
            cache.reset()
            streamer = Streamer()
            self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=self._run.new_tokens,
                do_sample=False,
                streamer=streamer,
                past_key_values=cache,
                compile_config=compiling,
            )
        return streamer.seconds


if __name__ == "__main__":
    main()
