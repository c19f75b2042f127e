"""llama.cpp's own HTTP server, from the xllamacpp wheel, until its standard input closes.

    python -m benchmarks.speed.engine.llama_cpp_http --weights FOLDER --slots 1 …

The flags are those of a subject. Once it serves it writes `{"bench": "ready", "url": …}`.
"""

from __future__ import annotations

import sys

import xllamacpp

from benchmarks.speed.engine import llama_cpp, subject
from codegemma_ui.ipc.child import take_stdout


def main() -> None:
    parser = subject.parser()
    parser.add_argument("--slots", required=True, type=int)
    given = parser.parse_args()
    write = take_stdout()
    params = llama_cpp.parameters(given)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = given.slots
    params.n_ctx = given.slots * given.context_length
    server = xllamacpp.Server(params)
    write({"bench": "ready", "url": server.listening_address})
    sys.stdin.read()


if __name__ == "__main__":
    main()
