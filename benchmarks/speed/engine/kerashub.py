"""KerasHub's own `generate()`: compiled once per total length, and all tokens arrive at the end."""

from __future__ import annotations

import argparse
import importlib
import time

import numpy as np

from benchmarks.speed.engine import keras_process
from benchmarks.speed.engine.subject import Facts, Generated, Request, serve
from codegemma_ui.workers.keras import precision


class KerasHub:
    """`GemmaCausalLM.generate()` on token ids; see `subject.Engine`."""

    def __init__(self, given: argparse.Namespace) -> None:
        started = time.perf_counter()
        self._backend, self._device = given.backend, keras_process.begin(given)
        quantized = given.dtype == "int8"
        dtype = "float32" if quantized else precision.choose(given.dtype, self._device, 0).weights
        models = importlib.import_module("keras_nlp").models
        backbone = models.GemmaBackbone.from_preset(str(given.weights), dtype=dtype)
        if quantized:  # of weights and, token by token, of activations
            backbone.quantize("int8")
        # Without a preprocessor it takes ids, and the padded length is the length it generates to.
        self._model = models.GemmaCausalLM(backbone=backbone, preprocessor=None)
        self.facts = Facts(
            load_s=time.perf_counter() - started,
            warm_up_s=0.0,
            parameters=int(backbone.count_params()),
            weight_bytes=keras_process.weight_bytes(backbone),
            device=self._device.name,
            note="returns nothing before its last token",
        )

    def generate(self, request: Request) -> Generated:
        prompt = np.asarray(request.prompt_ids, np.int32)
        total = len(prompt) + request.new_tokens
        stop_ids = tuple(request.stop_ids) or None
        seconds, output = self._timed(prompt, total, stop_ids)
        # It prefills the padded length, whatever the prompt's. A prompt one token shorter than that uses the
        # same compiled function and gets one token.
        first, _ = self._timed(output[: total - 1], total, None)
        new = [int(token) for token in output[len(prompt) : total]]
        return Generated(arrivals_s=[seconds] * len(new), token_ids=new, first_inside_s=first)

    def _timed(
        self, prompt: np.ndarray, total: int, stop_ids: tuple[int, ...] | None
    ) -> tuple[float, np.ndarray]:
        started = time.perf_counter()
        token_ids = np.zeros((1, total), np.int32)
        token_ids[0, : len(prompt)] = prompt
        mask = np.arange(total)[None] < len(prompt)
        output = self._model.generate(
            {"token_ids": token_ids, "padding_mask": mask},
            stop_token_ids=stop_ids,
        )
        ids = np.asarray(output["token_ids"])[0]
        return time.perf_counter() - started, ids

    def device_peak_bytes(self) -> int | None:
        return keras_process.device_peak_bytes(self._backend, self._device)


if __name__ == "__main__":
    serve(KerasHub)
