"""Replacement for `llama-server`: accepts the script's flags, and runs llama.cpp's own server from xllamacpp.

The wheel has the server but not the program. Unknown flags are rejected, so that a script that uses one
fails. If `KEPT_SERVER` names a file with the flags of a running server, a script must pass the same flags,
and uses that server.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ctx-size", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--cache-type-k", choices=("f32", "f16", "bf16"), required=True)
    parser.add_argument("--cache-type-v", choices=("f32", "f16", "bf16"), required=True)
    given = parser.parse_args()
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    if "KEPT_SERVER" not in os.environ:
        serve(given, over)
    elif json.loads(Path(os.environ["KEPT_SERVER"]).read_text()) == vars(given):
        over.wait()
    else:
        parser.error(f"the server that is kept has other flags. Received: {vars(given)}")


def serve(given: argparse.Namespace, over: threading.Event) -> None:
    """Serve until stopped; the address is printed once the server responds."""
    import xllamacpp

    def cache(name: str) -> xllamacpp.ggml_type:
        return getattr(xllamacpp.ggml_type, f"GGML_TYPE_{name.upper()}")

    params = xllamacpp.CommonParams()
    params.model.path = given.model
    params.hostnames = [given.host]
    params.port = given.port
    params.n_ctx = given.ctx_size
    params.n_parallel = given.parallel
    params.cache_type_k = cache(given.cache_type_k)
    params.cache_type_v = cache(given.cache_type_v)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.verbosity = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    over.wait()


if __name__ == "__main__":
    main()
