"""Stands in for `llama-server`: takes the script's flags, and runs llama.cpp's own server, of xllamacpp.

The wheel has llama.cpp's server but not its program. A flag that is not one of these is refused, so that a
script with another one fails.
"""

import argparse
import signal
import threading

import xllamacpp

CACHES = {
    "f32": xllamacpp.ggml_type.GGML_TYPE_F32,
    "f16": xllamacpp.ggml_type.GGML_TYPE_F16,
    "bf16": xllamacpp.ggml_type.GGML_TYPE_BF16,
}


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ctx-size", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--cache-type-k", choices=CACHES, required=True)
    parser.add_argument("--cache-type-v", choices=CACHES, required=True)
    given = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = given.model
    params.hostnames = [given.host]
    params.port = given.port
    params.n_ctx = given.ctx_size
    params.n_parallel = given.parallel
    params.cache_type_k = CACHES[given.cache_type_k]
    params.cache_type_v = CACHES[given.cache_type_v]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity = 0
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    over.wait()


if __name__ == "__main__":
    main()
