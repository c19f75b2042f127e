"""Malicious requests from a seed: their content, and the way they are sent over HTTP.

`CANARY` is in every text, so that a log can be searched for it. Values that may decide where the server
connects to, or its own address, hold an untrusted address (`elsewhere`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from tools.fuzz import elsewhere

CANARY = "canary-of-a-person"
OVERSIZE_BYTES = 20 * 10**6

TEXTS = (
    "",
    "import ",
    "\0",
    "a\0b",
    "\ufeff",
    "\u2028\u2029",
    "\u202eright to left",
    "한글 코드",
    "👩‍👩‍👧‍👦🦙",
    "שלום עולם",
    "e\u0301" * 50,
    "\t  \r\n\r\n\t",
    "<|fim_prefix|><|fim_middle|><eos><bos>",
    "<start_of_turn>user",
    "</script><img src=x onerror=alert(1)>",
    "${7*7}{{7*7}}#{7*7}",
    "'; DROP TABLE users; --",
    "../../../../etc/passwd",
    "x" * 5000,
    "x" * 200_001,
)
LONE_SURROGATES = ('"\\ud800"', '"a\\udfffb"', '"\\udc00\\ud800"')
NUMBERS = (
    *(
        "0",
        "-0",
        "-1",
        "31",
        "32",
        "1e309",
        "-1e309",
        "1e-400",
        "1e-300",
        "5e-324",
        "1.5",
        "128.0",
        "2147483648",
    ),
    *("9" * 30, "9" * 5000, "NaN", "Infinity", "-Infinity", "0x10", "1_000", "01", "+1", ".5"),
)
ODD = ("null", "true", "false", "[]", "{}", "[[]]", '{"a":[1,{"b":2}]}', '{"__type__":"update"}')
FILE = '{"path":"/etc/passwd","meta":{"_type":"gradio.FileData"}}'

_ASKED = '{"prefix":"import ","suffix":"","max_length":64}'
QUESTIONS = (
    ("request", _ASKED),
    ("forced", "[300,301]"),
    ("ending", '"LF"'),
    ("parent", '{"branch":0,"at":1}'),
    (
        "recording",
        f'{{"version":1,"request":{_ASKED},"ending":"LF","segments":[["prefix","import "]],'
        '"prompt":[[1,"x","prefix",0,1]],"trimmed":[0,0,0],"tokens":[[1,"x","x",-0.5,0.1,0,[]]],'
        '"last":{"event":"done","raw_output":"x","stop_reason":"max_length","stop_token":null,'
        '"preset":"bundled","backend":"jax","dtype":"float32","ttft_s":null,"tokens_per_s":null}}',
    ),
    ("trouble", '"broken"'),
    ("of", "1"),
    ("address", '"http://127.0.0.1:7860/"'),
    ("lesson", '"fim"'),
    ("try", "null"),
    ("program", "0"),
    ("guess", '"pass"'),
    ("truth", '"pass"'),
)
"""Valid requests of the views."""

NAMES = ("complete", "status", "predict", "show_completion", "stop", "switch", "look", "nothing")
PATHS = (
    "/",
    "/config",
    "/healthz",
    "/metrics",
    "/theme.css",
    "/login",
    "/logout",
    "/monitoring",
    "/monitoring/summary",
    "/gradio_api/info",
    "/gradio_api/openapi.json",
    "/gradio_api/app_id",
    "/gradio_api/token",
    "/gradio_api/user",
    "/gradio_api/runs",
    "/gradio_api/deep_link",
    "/gradio_api/upload",
    "/gradio_api/upload_progress",
    "/gradio_api/component_server",
    "/gradio_api/process_recording",
    "/gradio_api/queue/join",
    "/gradio_api/queue/data",
    "/gradio_api/queue/status",
    "/gradio_api/run/complete",
    "/gradio_api/api/complete",
    "/gradio_api/call/complete",
    "/gradio_api/call/v2/complete",
    "/gradio_api/call/complete/0",
    "/gradio_api/cancel",
    "/gradio_api/reset",
    "/gradio_api/stream/0",
    "/gradio_api/vibe-edit",
    "/gradio_api/vibe-code",
    "/gradio_api/dev/reload",
    "/gradio_api/heartbeat/0",
    "/gradio_api/file=/etc/passwd",
    "/gradio_api/file=http://127.0.0.1/",
    "/gradio_api/proxy=http://127.0.0.1/",
    "/gradio_api/mcp/",
    "/gradio_api/mcp/sse",
    "/gradio_api/mcp/schema",
    "/v1/models",
    "/v1/models/../../etc/passwd",
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/health",
    "/health",
    "/infill",
    "/static/../../../etc/passwd",
    "/assets/%2e%2e/%2e%2e/etc/passwd",
    "/svelte/..%2f..%2fetc/passwd",
    "/.env",
    "/%00",
    "/%ff%fe",
    "//evil.example/",
    "/gradio_api/run/" + "x" * 300,
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "PROPFIND")


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        oversize: whether it must be refused for its size, within half a second.
        chunked: whether it is sent without a length.
        target: of the request line, if that is not a path.
    """

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    oversize: bool = False
    chunked: bool = False
    target: bytes | None = None


def requests(seed: int, count: int, stranger: str = "127.0.0.1:9") -> Iterator[Request]:
    """Yield the same requests for the same seed.

    Args:
        stranger: "address:port" that the server must not connect to.
    """
    random_ = random.Random(seed)
    kinds = (_call, _call, _call, _arity, _page_event, _page_event, _by_name, _broken, _path)
    for index in range(count):
        if index % 250 == 100:
            yield _oversize(random_, index)
        else:
            further = (_session, _headers, _query, _login, _openai, _infill, _mcp)
            kind = random_.choice((*kinds, *further, None, None, None))
            yield kind(random_) if kind else _elsewhere(random_, stranger)


def _value(random_: random.Random) -> str:
    """Return one JSON value, well-formed or not."""
    kind = random_.randrange(8)
    if kind < 3:
        return json.dumps(CANARY + random_.choice(TEXTS), ensure_ascii=random_.random() < 0.5)
    if kind == 3:
        return random_.choice(LONE_SURROGATES)
    if kind < 6:
        return random_.choice(NUMBERS)
    return random_.choice((*ODD, FILE))


def _data(random_: random.Random, count: int) -> str:
    return "[" + ",".join(_value(random_) for _ in range(count)) + "]"


def _json(method: str, path: str, text: str) -> Request:
    headers = {"content-type": "application/json"}
    return Request(method, path, text.encode("utf-8", "surrogatepass"), headers)


def _call(random_: random.Random) -> Request:
    """Return a call with the right arity and mostly right values, one or more of them wrong."""
    values = ['"import "', '"\\n"', "64", "0", "0", "1", "null", '"psm"', '""', "[]", '""', "false"]
    for place in random_.sample(range(len(values)), random_.randint(1, 3)):
        values[place] = _value(random_)
    return _json("POST", "/gradio_api/call/complete", f'{{"data":[{",".join(values)}]}}')


def _arity(random_: random.Random) -> Request:
    count = random_.choice((0, 1, 2, 7, 11, 13, 20, 150, 1000))
    data = random_.choice((_data(random_, count), _value(random_)))
    name = random_.choice(NAMES)
    return _json("POST", f"/gradio_api/call/{name}", f'{{"data":{data}}}')


def _page_event(random_: random.Random) -> Request:
    """Return one of the page's own events, by number, through either of its routes."""
    number = random_.choice((*map(str, range(60)), "-1", "999", "1e9", "null", '"0"', "true"))
    count = random_.choice((0, 1, 2, 3, 4, 5, 8, 10, 12, 14))
    make = random_.choice((_value, _question))
    data = "[" + ",".join(make(random_) for _ in range(count)) + "]"
    session = json.dumps(f"s{random_.randrange(50)}")
    body = f'{{"data":{data},"fn_index":{number},"session_hash":{session}'
    if random_.random() < 0.5:
        body += f',"event_data":{_value(random_)},"trigger_id":{_value(random_)}'
    path = random_.choice(("/gradio_api/queue/join", "/gradio_api/run/predict"))
    return _json("POST", path, body + "}")


def _by_name(random_: random.Random) -> Request:
    names = (
        *("prefix", "suffix", "max_length", "temperature", "seed", "layout", "time_limit_s", "x"),
        *("path", "files", "forced", "score", "stop_on_repetition", "one_line", "stop"),
    )
    chosen = random_.sample(names, random_.randint(0, 4))
    body = "{" + ",".join(f'"{name}":{_value(random_)}' for name in chosen) + "}"
    return _json("POST", f"/gradio_api/call/v2/{random_.choice(NAMES)}", body)


def _with_some_wrong(random_: random.Random, values: dict[str, str]) -> str:
    """Return an object with mostly right values, one or more of them wrong or left out."""
    values = dict(values)
    for name in random_.sample(sorted(values), random_.randint(1, 3)):
        if random_.random() < 0.2:
            del values[name]
        else:
            values[name] = _value(random_)
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in values.items()) + "}"


def _openai(random_: random.Random) -> Request:
    ids = ",".join(str(random_.randrange(-1, 9000)) for _ in range(random_.choice((1, 5, 1500))))
    prompts = (
        '"import "',
        f"[{ids}]",
        '["x"]',
        json.dumps(f"<|fim_prefix|>{CANARY}<|fim_suffix|><|fim_middle|>"),
    )
    values = {
        "model": '"default"',
        "prompt": random_.choice(prompts),
        "suffix": random_.choice(("null", '"\\n"')),
        "max_tokens": "8",
        "temperature": "1",
        "top_p": "1",
        "n": "1",
        "seed": "null",
        "logprobs": random_.choice(("null", "5")),
        "stop": random_.choice(("null", '"\\n"', '["a","b"]')),
        "stream": random_.choice(("true", "false")),
        "stream_options": "null",
        "logit_bias": "{}",
        "echo": "false",
    }
    return _json("POST", "/v1/completions", _with_some_wrong(random_, values))


def _infill(random_: random.Random) -> Request:
    values = {
        "input_prefix": '"import "',
        "input_suffix": '"\\n"',
        "input_extra": '[{"filename":"a.py","text":"x = 1"}]',
        "prompt": '""',
        "n_predict": random_.choice(("-1", "0", "8")),
        "top_k": "40",
        "top_p": "0.99",
        "samplers": '["top_k"]',
        "stream": random_.choice(("true", "false")),
        "stop": "[]",
        "t_max_predict_ms": "2500",
        "seed": "-1",
        "grammar": '""',
        "n_cmpl": "3",
    }
    return _json("POST", "/infill", _with_some_wrong(random_, values))


def _mcp(random_: random.Random) -> Request:
    arguments = {"prefix": '"import "', "suffix": '""', "max_length": "64", "seed": "null"}
    params = {
        "name": '"complete"',
        "arguments": _with_some_wrong(random_, arguments),
        "_meta": random_.choice(("null", '{"progressToken":1}')),
    }
    methods = ("tools/call", "tools/list", "initialize", "prompts/get", "resources/read", CANARY)
    values = {
        "jsonrpc": '"2.0"',
        "id": "1",
        "method": json.dumps(random_.choice(("tools/call", *methods))),
        "params": _with_some_wrong(random_, params),
    }
    body = "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}"
    if random_.random() < 0.5:
        body = _with_some_wrong(random_, values)
    request = _json("POST", "/gradio_api/mcp/", body)
    accept = random_.choice(("application/json, text/event-stream", "*/*", "text/html"))
    return Request("POST", request.path, request.body, {**request.headers, "accept": accept})


def _question(random_: random.Random) -> str:
    """Return the request of a view: a JSON object in a text, partly right."""
    chosen = random_.sample(QUESTIONS, random_.randint(1, 5))
    parts = (
        f'"{name}":{known if random_.random() < 0.6 else _value(random_)}' for name, known in chosen
    )
    return json.dumps("{" + ",".join(parts) + "}")


def _elsewhere(random_: random.Random, stranger: str) -> Request:
    """Return a request with the untrusted address in one or two places."""
    headers = elsewhere.headers(random_, stranger) if random_.random() < 0.6 else {}
    kind = random_.randrange(4)
    if kind == 0:
        path = elsewhere.path(random_, stranger)
        target = f"http://{stranger}/".encode() if random_.random() < 0.1 else None
        return Request("GET", path, b"", headers, target=target)
    if kind == 1:
        request = _json("POST", *elsewhere.event(random_, stranger))
    elif kind == 2:
        request = _json("POST", "/gradio_api/mcp/", elsewhere.mcp(random_, stranger))
        headers.setdefault("accept", "application/json, text/event-stream")
    else:
        request = _json("POST", *elsewhere.completion(random_, stranger))
    return Request("POST", request.path, request.body, {**request.headers, **headers})


def _broken(random_: random.Random) -> Request:
    gradios = ("/gradio_api/queue/join", "/gradio_api/call/complete")
    path = random_.choice((*gradios, "/v1/completions", "/infill", "/gradio_api/mcp/"))
    depth = random_.choice((5, 50, 500, 5000, 200_000))
    bodies: tuple[bytes, ...] = (
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"data":["\xff"]}',
        b'{"data":' + b"[" * depth + b"]" * depth + b"}",
        b'{"data":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}",
        b'{"data":[' + b"1," * 100_000 + b"1]}",
        b'{"data":[],"data":[1]}',
        b"prefix=a&suffix=b",
        random_.randbytes(random_.randint(1, 2000)),
    )
    kinds = ("application/json", "text/plain", "multipart/form-data; boundary=x", "", "a/b;;;=")
    kind = random_.choice((kinds[0], random_.choice(kinds)))
    return Request("POST", path, random_.choice(bodies), {"content-type": kind})


def _path(random_: random.Random) -> Request:
    path = random_.choice(PATHS)
    if random_.random() < 0.2:
        path += "/" + "".join(random_.choices("abc./%25~;:@=&+$,!*()", k=random_.randint(1, 40)))
    body = _value(random_).encode("utf-8", "surrogatepass") if random_.random() < 0.5 else b""
    return Request(random_.choice(METHODS), path, body, {"content-type": "application/json"})


def _session(random_: random.Random) -> Request:
    kind = random_.randrange(4)
    if kind == 0:
        return Request("GET", f"/gradio_api/queue/data?session_hash={random_.randrange(99)}")
    if kind == 1:
        return Request("GET", f"/gradio_api/call/complete/{random_.getrandbits(64):x}")
    body = f'{{"session_hash":{_value(random_)},"fn_index":{_value(random_)},"event_id":{_value(random_)}}}'
    return _json("POST", random_.choice(("/gradio_api/cancel", "/gradio_api/reset")), body)


def _headers(random_: random.Random) -> Request:
    odd = {
        "host": random_.choice(("evil.example", "127.0.0.1.evil.example", "[::1", "a@127.0.0.1")),
        "origin": random_.choice(("https://evil.example", "null", "file://", "http://localhost:1")),
        "x-forwarded-host": "evil.example",
        "x-forwarded-proto": random_.choice(("https", "javascript", "h" * 100)),
        "cookie": "access-token=" + "x" * random_.choice((1, 4000)),
        "authorization": "Bearer " + CANARY,
        "accept-language": random_.choice(("ko;q=x", "," * 500, "한".encode().decode("latin-1"))),
        "range": "bytes=0-1",
        "accept-encoding": random_.choice(("br", "gzip;q=2", "*")),
        "transfer-encoding": "identity",
    }
    chosen = {name: odd[name] for name in random_.sample(sorted(odd), random_.randint(1, 3))}
    if random_.random() < 0.5:
        return Request("GET", random_.choice(("/", "/config", "/gradio_api/info")), b"", chosen)
    return _call(random_) if "host" not in chosen else Request("POST", "/login", b"", chosen)


def _query(random_: random.Random) -> Request:
    name = random_.choice(("page", "deep_link", "lang", "__theme", "view", "session_hash", "%00"))
    value = random_.choice(("x", "../../x", "%00", "%ff", CANARY, "a" * 5000, "%ED%A0%80", ""))
    path = random_.choice(("/", "/config", "/gradio_api/info", "/gradio_api/queue/data"))
    return Request("GET", f"{path}?{name}={value}")


def _login(random_: random.Random) -> Request:
    form = random_.choice((b"username=a&password=b", b"username=a", b"\xff=%", b"a" * 100_000))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return Request("POST", "/login", form, headers)


def _oversize(random_: random.Random, index: int) -> Request:
    gradios = ("/gradio_api/queue/join", "/gradio_api/call/complete", "/login")
    path = random_.choice((*gradios, "/v1/completions", "/infill", "/gradio_api/mcp/"))
    body = b'{"data":["' + b"x" * OVERSIZE_BYTES + b'"]}'
    headers = {"content-type": "application/json"}
    return Request("POST", path, body, headers, oversize=True, chunked=index % 500 == 100)
