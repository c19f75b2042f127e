"""A server with llama.cpp's requests: tokens at once, as many as are asked for. It ends with its stdin.

With the flag `--refuse` it answers 503 to everything.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "--refuse" in sys.argv:
            self.send_error(503)
            return
        chunks: list[dict]
        if self.path == "/infill":
            count = asked["n_predict"]
            chunks = [{"content": " a", "tokens": [7], "stop": False} for _ in range(count)]
            chunks.append({"content": "", "tokens": [], "stop": True, "tokens_predicted": count})
        else:
            count = asked["max_tokens"]
            chunks = [{"choices": [{"text": " a"}]} for _ in range(count)]
            chunks.append({"choices": [], "usage": {"completion_tokens": count}})
        body = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
print(json.dumps({"bench": "ready", "url": url}), flush=True)
sys.stdin.read()
