"""Parts of a request that could decide where a server connects to, or its own name, with an untrusted
address.

Gradio, MCP, proxies and OpenAI's protocol have such places; the fuzz test finds out which of them our server
passes on.
"""

from __future__ import annotations

import json
import random
from typing import Any
from urllib.parse import quote

HEADERS = (
    *("host", "x-forwarded-host", "x-forwarded-for", "x-forwarded-server", "x-real-ip", "via"),
    *("x-forwarded-proto", "x-forwarded-port", "x-forwarded-prefix", "x-original-url"),
    *("forwarded", "x-gradio-server", "x-gradio-user", "x-direct-url", "referer", "origin"),
    *("x-rewrite-url", "x-http-host-override", "destination", "mcp-session-id", "last-event-id"),
)

QUERIES = (
    *("url", "uri", "file", "path", "deep_link", "page", "view", "lang", "__theme", "root", "next"),
    *("session_hash", "redirect", "return_to", "_target_url", "api_name", "space", "proxy_url"),
)

PATHS = (
    *("/", "/config", "/login", "/logout", "/theme.css", "/manifest.json", "/robots.txt"),
    *("/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/queue/data"),
    *("/gradio_api/startup-events", "/gradio_api/user", "/gradio_api/mcp/schema", "/v1/models"),
)

INTO_PATH = (
    *("/gradio_api/file={}", "/gradio_api/proxy={}", "/file={}", "/proxy={}", "/static/{}"),
    *("/gradio_api/stream/{}", "/gradio_api/call/complete/{}", "/gradio_api/heartbeat/{}", "/{}"),
)

NAMES = (
    *("url", "base_url", "api_base", "root_path", "callback", "webhook", "endpoint", "proxy"),
    *("image_url", "server", "host", "model_url", "hf_space", "space_id"),
)


def address(random_: random.Random, stranger: str) -> str:
    """Return the address in one of its usual forms."""
    _, _, port = stranger.partition(":")
    shapes = (
        *(f"http://{stranger}/", f"//{stranger}/x", stranger, f"https://{stranger}/"),
        *(f"http://localhost:{port}/", f"http://2130706433:{port}/", f"http://a@{stranger}/"),
        *(f"hf://{stranger}/model", f"kaggle://{stranger}/m/keras/x", f"ws://{stranger}/"),
        *(f"file://{stranger}/x", f"git+http://{stranger}/x.git", f"\\\\{stranger}\\x"),
    )
    return random_.choice((shapes[0], random_.choice(shapes)))


def headers(random_: random.Random, stranger: str) -> dict[str, str]:
    """Return one to four headers."""
    found = {}
    for name in random_.sample(HEADERS, random_.randint(1, 4)):
        bare = name in ("host", "x-forwarded-host", "x-forwarded-for", "x-real-ip")
        found[name] = stranger if bare and random_.random() < 0.8 else address(random_, stranger)
        if name == "forwarded":
            found[name] = f"for={stranger};host={stranger};proto=http"
    return found


def path(random_: random.Random, stranger: str) -> str:
    """Return a path, with or without a query."""
    if random_.random() < 0.3:
        shown = address(random_, stranger)
        return random_.choice(INTO_PATH).format(
            shown if random_.random() < 0.5 else quote(shown, "")
        )
    names = random_.sample(QUERIES, random_.randint(1, 3))
    query = "&".join(f"{name}={quote(address(random_, stranger), '')}" for name in names)
    return f"{random_.choice(PATHS)}?{query}"


def value(random_: random.Random, stranger: str) -> Any:
    """Return a value of an event: a text, one of Gradio's files, a recording's address."""
    url = address(random_, stranger)
    file = {"path": url, "url": url, "orig_name": "x.py", "meta": {"_type": "gradio.FileData"}}
    return random_.choice(
        (
            *(url, url, file, [file], {**file, "is_stream": True}, {"url": url}, {"path": url}),
            *([url], json.dumps(file), json.dumps({"request": "x", "address": url, "of": 1})),
            {"__type__": "update", "value": url},
            f'<img src="{url}">',
        )
    )


def event(random_: random.Random, stranger: str) -> tuple[str, str]:
    """Return path and body of a call or an event of the page."""
    if random_.random() < 0.3:
        named = {"prefix": value(random_, stranger), "suffix": address(random_, stranger)}
        named["files"] = [{"path": address(random_, stranger), "text": address(random_, stranger)}]
        name = random_.choice(tuple(named))
        return "/gradio_api/call/v2/complete", json.dumps({name: named[name]})
    values = ["import ", "\n", 64, 0, 0, 1, None, "psm", "", [], "", False]
    for place in random_.sample(range(len(values)), random_.randint(1, 4)):
        values[place] = value(random_, stranger)
    body: dict[str, Any] = {"data": values}
    body |= {name: address(random_, stranger) for name in random_.sample(NAMES, 2)}
    if random_.random() < 0.3:
        return "/gradio_api/call/complete", json.dumps(body)
    count = random_.choice((0, 1, 2, 3, 4, 5, 8, 10, 12, 14))
    body["data"] = [value(random_, stranger) for _ in range(count)]
    body |= {"fn_index": random_.randrange(30), "session_hash": f"e{random_.randrange(50)}"}
    body["event_data"] = value(random_, stranger)
    return random_.choice(("/gradio_api/queue/join", "/gradio_api/run/predict")), json.dumps(body)


def completion(random_: random.Random, stranger: str) -> tuple[str, str]:
    """Return path and body of another tool's request."""
    further: dict[str, Any] = {name: value(random_, stranger) for name in random_.sample(NAMES, 2)}
    if random_.random() < 0.5:
        asked = {"model": address(random_, stranger), "prompt": value(random_, stranger)}
        return "/v1/completions", json.dumps({"max_tokens": 8, **asked, **further})
    file = {"filename": address(random_, stranger), "text": address(random_, stranger)}
    asked = {"input_prefix": address(random_, stranger), "input_suffix": "", "input_extra": [file]}
    return "/infill", json.dumps({"n_predict": 8, **asked, **further})


def mcp(random_: random.Random, stranger: str) -> str:
    """Return a message to the MCP server."""
    url = address(random_, stranger)
    prefix = value(random_, stranger)
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("resources/read", {"uri": url}),
        ("resources/subscribe", {"uri": url}),
        ("resources/templates/list", {"cursor": url}),
        ("prompts/get", {"name": url, "arguments": {"url": url}}),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": url}, "argument": {}}),
        ("tools/call", {"name": "complete", "arguments": {"prefix": prefix, "suffix": url}}),
        ("tools/call", {"name": url, "arguments": {"url": url}}),
        ("roots/list", {"roots": [{"uri": url}]}),
        ("initialize", {"protocolVersion": url, "capabilities": {}, "clientInfo": {"name": url}}),
    )
    method, params = random_.choice(calls)
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
