"""The operator's settings: a flag, else its `CODEGEMMA_UI_*` variable, else the default. Pure."""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import urlsplit

from codegemma_ui import presets, secrets
from codegemma_ui.errors import BadInput, UnknownBackend, UnknownPreset
from codegemma_ui.fim import DEFAULT_MAX_LENGTH
from codegemma_ui.machine import BACKENDS, OPENAI, TOGETHER
from codegemma_ui.presets import DTYPES

Language = Literal["en", "ko"]
LANGUAGES = ("auto", *get_args(Language))
ALLOW_SWITCH = ("everyone", "nobody", "login")
TORCH_DEVICES = ("auto", "cpu", "cuda", "mps")
DEFAULT_TIME_LIMIT_S = 120.0
MAX_CONCURRENCY = 64
MAX_IDLE_MINUTES = 7 * 24 * 60
LOG_LEVELS = ("warning", "info", "debug")

MAX_DEVICES = 64
PARALLEL = ("jax", OPENAI)
"""Backends that support `--model-parallel`: a server manages its own devices."""


@dataclass(frozen=True)
class RemoteServer:
    """A server that implements OpenAI's completions protocol. Its key is read from `OPENAI_API_KEY` only.

    Attributes:
        base_url: URL without `/completions`, such as `http://127.0.0.1:8000/v1`.
        model: the server's name for it; empty for the only one it has.
        connect_timeout_s: connection timeout, in seconds.
        timeout_s: seconds of silence allowed before and during a response.
        retries: number of retries of a request before its first token.
    """

    base_url: str
    model: str = ""
    connect_timeout_s: float = 5.0
    timeout_s: float = 30.0
    retries: int = 2


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of an operator.

    Attributes:
        preset: a name of the table, a local folder, `hf://…` or `kaggle://…`.
        extra_presets: further models for the dropdown.
        dtype: "auto" is float32 on CPU, bfloat16 on a CUDA GPU that supports it, else float16.
        context_length: maximum tokens of a request, for models that support more.
        max_length: initial value of the slider, in tokens; None follows the text.
        time_limit_s: maximum duration of one generation.
        root_path: path prefix added by a proxy, such as `/playground`, or the full URL up to it; empty for
            none.
        uds: the unix socket to listen on instead of host and port; empty for none.
        ssl_certfile, ssl_keyfile: for TLS, in PEM; empty for none. The first may contain the key as well.
        queue_size: maximum number of waiting requests.
        max_concurrency: requests that one model processes concurrently, on a backend that supports it.
        idle_minutes: minutes without a request until the model is unloaded; 0 is never.
        language: language of the page; "auto" follows the browser.
        allow_switch: who may change the model, which all visitors share; "login" is every logged-in user.
        pythons: backend name -> interpreter of another environment for its worker.
        allowed_hosts: host names, besides loopback and `host`, accepted in requests; "*" is any.
        api: whether `/complete` and `/status` are open to programs.
        openai_api: whether `/v1/completions`, `/v1/models` and `/infill` are open to other tools.
        mcp: whether the model is a tool over MCP.
        metrics: whether `/metrics` is served.
        log_level: one of `LOG_LEVELS`.
        auth: user and password of the page's login; None for open access.
        api_key: key required from other tools, or several, one per line; None requires none.
        server: server of the backend "openai"; None if there is none.
        model_parallel: number of devices that the jax backend shards a model over.
        torch_device: one of `TORCH_DEVICES`, for the torch backend; "auto" is CUDA, else the CPU.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    preset: str = presets.BUNDLED
    extra_presets: tuple[str, ...] = ()
    backend: str = "tensorflow"
    dtype: str = "auto"
    context_length: int = presets.LONGEST_CONTEXT
    max_length: int | None = None
    time_limit_s: float = DEFAULT_TIME_LIMIT_S
    root_path: str = ""
    uds: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""
    queue_size: int = 16
    max_concurrency: int = 1
    idle_minutes: float = 0.0
    language: str = "auto"
    allow_switch: str = "everyone"
    pythons: Mapping[str, str] = field(default_factory=dict)
    allowed_hosts: tuple[str, ...] = ()
    api: bool = True
    openai_api: bool = False
    mcp: bool = False
    metrics: bool = False
    log_level: str = "info"
    auth: tuple[str, str] | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    server: RemoteServer | None = None
    model_parallel: int = 1
    torch_device: str = "auto"

    @property
    def backends(self) -> tuple[str, ...]:
        """Names of the available backends, installed or not."""
        return BACKENDS if self.server is None else (*BACKENDS, OPENAI)


_PREFIX = "CODEGEMMA_UI_"
_LOGIN, _KEY = secrets.LOGIN, secrets.KEYS  # not flags, which process lists would show
_SWITCH = {"": False, "0": False, "false": False, "no": False} | {
    "1": True,
    "true": True,
    "yes": True,
}


def _flag(
    parser: argparse.ArgumentParser,
    name: str,
    help_text: str,
    default: object,
    action: str = "store",
) -> None:
    variable = _PREFIX + name.removeprefix("--").replace("-", "_").upper()
    described = f"{help_text} [{variable}, {default}]"
    parser.add_argument(name, default=None, help=described, action=action)


def add_preset_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that choose a model and its backend."""
    _flag(parser, "--preset", "model: a name, a folder, hf://… or kaggle://…", presets.BUNDLED)
    _flag(
        parser,
        "--backend",
        "tensorflow, jax, torch, or openai with --openai-base-url; also KERAS_BACKEND",
        "tensorflow",
    )


def add_server_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the backend "openai"."""
    known = RemoteServer("")
    for name, text, default in (
        (
            "--openai-base-url",
            "server of the openai backend, such as http://127.0.0.1:8000/v1",
            "none",
        ),
        ("--openai-model", "model to request from it", "the only one it has"),
        (
            "--openai-connect-timeout",
            "connection timeout in seconds",
            f"{known.connect_timeout_s:g}",
        ),
        ("--openai-timeout", "seconds it may be silent", f"{known.timeout_s:g}"),
        ("--openai-retries", "retries per request", known.retries),
    ):
        _flag(parser, name, text, default)


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every command that runs a model."""
    add_preset_flags(parser)
    add_server_flags(parser)
    _flag(parser, "--dtype", ", ".join(DTYPES), "auto")
    _flag(
        parser,
        "--context-length",
        "maximum tokens of a request; fewer need less memory",
        "the model's",
    )
    _flag(parser, "--time-limit", "maximum seconds per completion", f"{DEFAULT_TIME_LIMIT_S:g}")
    _flag(parser, "--model-parallel", "shard the model over this many devices; jax only", "1")
    _flag(
        parser,
        "--torch-device",
        f"{', '.join(TORCH_DEVICES)}: auto is cuda if there is a GPU, else cpu; mps is untested",
        "auto",
    )
    for backend in BACKENDS:
        _flag(parser, f"--python-{backend}", f"interpreter for the {backend} worker", "our own")


def add_concurrency_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that decides how many requests the model works on at once."""
    _flag(parser, "--max-concurrency", f"concurrent requests, on {', '.join(TOGETHER)}", "1")


def add_serve_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the page."""
    add_model_flags(parser)
    _flag(parser, "--host", "address to listen on", "127.0.0.1; on a Space 0.0.0.0")
    _flag(parser, "--port", "port to listen on", "7860")
    _flag(parser, "--uds", "unix socket to listen on instead of host and port", "none")
    _flag(parser, "--ssl-certfile", "certificate, to serve https", "none")
    _flag(parser, "--ssl-keyfile", "private key of the certificate", "in the certificate's file")
    _flag(parser, "--root-path", "path prefix added by a proxy, such as /playground", "none")
    _flag(parser, "--extra-presets", "more models for the dropdown, separated by commas", "none")
    _flag(parser, "--max-length", "initial value of the slider", "follows the text")
    _flag(parser, "--queue-size", "maximum number of waiting requests", "16")
    add_concurrency_flag(parser)
    _flag(
        parser,
        "--idle-minutes",
        "unload the model after this many minutes without a request; 0 is never",
        "0",
    )
    _flag(parser, "--language", ", ".join(LANGUAGES), "auto")
    _flag(
        parser,
        "--allow-switch",
        f"who may change the model: {', '.join(ALLOW_SWITCH)}",
        "everyone on loopback, nobody elsewhere and on a unix socket",
    )
    _flag(parser, "--allowed-host", "host name it is reached by; repeatable", "none", "append")
    _flag(parser, "--no-api", "close /complete and /status to programs", "off", "store_true")
    _flag(
        parser,
        "--openai-api",
        "open /v1/completions, /v1/models and /infill to other tools",
        "off",
        "store_true",
    )
    _flag(parser, "--mcp", "offer the model as a tool over MCP", "off", "store_true")
    _flag(parser, "--metrics", "serve /metrics for Prometheus", "off", "store_true")
    _flag(parser, "--log-level", ", ".join(LOG_LEVELS), "info")


def resolve(
    arguments: argparse.Namespace | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Resolve settings: flags before variables before defaults.

    Raises:
        BadInput: names the flag and its variable, the expected and the received value.
    """
    given = vars(arguments) if arguments is not None else {}

    def choice(name: str, fallback: str) -> str:
        value = given.get(name)
        return environ.get(_PREFIX + name.upper(), "") or fallback if value is None else value

    def source(name: str) -> str:
        """Return where a value came from, as the end of a message; empty for a default."""
        if given.get(name) is not None:
            return f", from --{name.replace('_', '-')}"
        variables = (_PREFIX + name.upper(), *(("KERAS_BACKEND",) if name == "backend" else ()))
        return next((f", from {one}" for one in variables if environ.get(one)), "")

    def integer(name: str, fallback: int, least: int, most: int) -> int:
        return int(number(name, fallback, least, most, int))

    def number(name: str, fallback: float, least: float, most: float, kind: type = float) -> float:
        value = choice(name, f"{fallback:.10g}")
        try:
            parsed = float(kind(value))
        except ValueError:
            parsed = float("nan")
        if not least <= parsed <= most:
            raise BadInput(
                f"{_named(name)} must be a number from {least} to {most}. "
                f"Received: {value!r}{source(name)}"
            )
        return parsed

    def one_of(name: str, fallback: str, allowed: Sequence[str]) -> str:
        value = choice(name, fallback)
        if value not in allowed:
            kind = UnknownBackend if name == "backend" else BadInput
            raise kind(
                f"{_named(name)} must be one of {', '.join(allowed)}. "
                f"Received: {value!r}{source(name)}"
            )
        return value

    def switch(name: str) -> bool:
        value = "1" if given.get(name) else environ.get(_PREFIX + name.upper(), "").lower()
        if value not in _SWITCH:
            raise BadInput(f"{_named(name)} must be one of 0, 1. Received: {value!r}{source(name)}")
        return _SWITCH[value]

    def several(name: str) -> tuple[str, ...]:
        values = given.get(name)
        listed = environ.get(_PREFIX + name.upper(), "") if values is None else ",".join(values)
        return tuple(filter(None, map(str.strip, listed.split(","))))

    def server() -> RemoteServer | None:
        base_url = choice("openai_base_url", "")
        if not base_url:
            return None
        known = RemoteServer(_address(base_url))
        return RemoteServer(
            known.base_url,
            choice("openai_model", ""),
            number("openai_connect_timeout", known.connect_timeout_s, 0.1, 600),
            number("openai_timeout", known.timeout_s, 0.1, 3600),
            integer("openai_retries", known.retries, 0, 10),
        )

    preset = choice("preset", presets.BUNDLED)
    try:
        presets.named(preset)
    except UnknownPreset as error:
        came_from = source("preset")
        message = f"{error.message.removesuffix('.')}{came_from}" if came_from else error.message
        raise UnknownPreset(message, error.hint) from None
    extra = tuple(filter(None, map(str.strip, choice("extra_presets", "").split(","))))
    presets.offered(*extra)
    secrets.check(environ)
    auth, api_key = _login(environ.get(_LOGIN, "")), _keys(environ.get(_KEY, ""))
    for name in ("openai_api", "mcp"):
        if switch(name) and auth is not None and api_key is None:
            raise BadInput(
                f"{_KEY} must be set where {_named(name)} and {_LOGIN} are: other tools cannot log "
                "in, and send a key instead. Received: none."
            )
    remote = server()
    backend = one_of("backend", environ.get("KERAS_BACKEND") or "tensorflow", (*BACKENDS, OPENAI))
    if backend == OPENAI and remote is None:
        raise BadInput(
            f"--backend {OPENAI} needs a server. Received: no {_named('openai_base_url')}",
            "It is the URL without /completions, such as http://127.0.0.1:8000/v1.",
        )
    devices = integer("model_parallel", 1, 1, MAX_DEVICES)
    if devices > 1 and backend not in PARALLEL:
        raise BadInput(
            f"{_named('model_parallel')} above 1 needs --backend jax. "
            f"Received: {backend}{source('backend') or ', the default'}",
            "The other backends run a model on one device.",
        )
    at_once = integer("max_concurrency", 1, 1, MAX_CONCURRENCY)
    if devices > 1 and at_once > 1:
        raise BadInput(
            f"{_named('max_concurrency')} must be 1 where {_named('model_parallel')} is above 1. "
            f"Received: {at_once}",
            "A model sharded over several devices takes one request at a time.",
        )
    host = choice("host", "0.0.0.0" if environ.get("SPACE_ID") else "127.0.0.1")
    # A Space with a custom domain has several hosts, separated by commas (gradio/oauth.py, 6.31).
    space = filter(None, map(str.strip, environ.get("SPACE_HOST", "").split(",")))
    return Settings(
        host=host,
        port=integer("port", 7860, 0, 65535),
        root_path=_root_path(choice("root_path", environ.get("GRADIO_ROOT_PATH", ""))),
        uds=choice("uds", ""),
        ssl_certfile=choice("ssl_certfile", ""),
        ssl_keyfile=choice("ssl_keyfile", ""),
        preset=preset,
        extra_presets=extra,
        backend=backend,
        dtype=one_of("dtype", "auto", DTYPES),
        context_length=integer(
            "context_length", presets.LONGEST_CONTEXT, DEFAULT_MAX_LENGTH, presets.LONGEST_CONTEXT
        ),
        max_length=integer("max_length", DEFAULT_MAX_LENGTH, 32, presets.CODEGEMMA_CONTEXT)
        if choice("max_length", "")
        else None,
        time_limit_s=number("time_limit", DEFAULT_TIME_LIMIT_S, 0.1, 3600),
        queue_size=integer("queue_size", 16, 1, 1000),
        max_concurrency=at_once,
        idle_minutes=number("idle_minutes", 0.0, 0, MAX_IDLE_MINUTES),
        language=one_of("language", "auto", LANGUAGES),
        allow_switch=one_of(
            "allow_switch",
            "everyone" if _is_loopback(host) and not choice("uds", "") else "nobody",
            ALLOW_SWITCH,
        ),
        pythons={name: python for name in BACKENDS if (python := choice(f"python_{name}", ""))},
        allowed_hosts=(*several("allowed_host"), *space),
        api=not switch("no_api"),
        openai_api=switch("openai_api"),
        mcp=switch("mcp"),
        metrics=switch("metrics"),
        log_level=one_of("log_level", "info", LOG_LEVELS),
        auth=auth,
        api_key=api_key,
        server=remote,
        model_parallel=devices,
        torch_device=one_of("torch_device", "auto", TORCH_DEVICES),
    )


def _address(url: str) -> str:
    """Validate a server's base URL; messages never show a password in it."""
    name = _named("openai_base_url")
    try:
        parts = urlsplit(url)
        secret, has_port = parts.username or parts.password, parts.port != 0
    except ValueError as error:
        raise BadInput(
            f"{name} must be like http://127.0.0.1:8000/v1. Received: no address"
        ) from error
    if secret:
        raise BadInput(
            f"{name} must not contain a user or password.", "Set OPENAI_API_KEY to the key instead."
        )
    good = parts.scheme in ("http", "https") and parts.hostname and has_port
    if not good or parts.query or parts.fragment or not url.isprintable():
        raise BadInput(
            f"{name} must be like http://127.0.0.1:8000/v1. Received: {url[:200]!r}",
        )
    return url.rstrip("/")


def _root_path(path: str) -> str:
    """Validate the path prefix.

    Raises:
        BadInput: it is invalid.
    """
    try:
        parts = urlsplit(path)
    except ValueError:
        parts = urlsplit("//")
    plain = re.fullmatch(r"(/[\w.~-]+)*/?", parts.path) and not (parts.query or parts.fragment)
    whole = parts.scheme in ("http", "https") and parts.netloc
    if not plain or not (whole or path == parts.path):
        raise BadInput(
            f"{_named('root_path')} must be a path such as /playground. Received: {path[:200]!r}"
        )
    return path.rstrip("/")


def _is_loopback(host: str) -> bool:
    """Return whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _login(pair: str) -> tuple[str, str] | None:
    """Parse user and password; messages never show them."""
    if not pair.strip():
        return None
    user, _, password = pair.strip().partition(":")
    if not user.strip() or not password:
        raise BadInput(f"{_LOGIN} must be user:password, both non-empty.")
    return user.strip(), password  # Gradio strips the name that the user enters


def _keys(given: str) -> str | None:
    """Parse the keys of other tools, one per line; messages never show them."""
    keys = secrets.lines(given)
    for key in keys:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise BadInput(
                f"{_KEY} must be printable ASCII characters without spaces, as in a header, one key per "
                "line."
            )
    return "\n".join(keys) or None


def _named(name: str) -> str:
    return f"--{name.replace('_', '-')} ({_PREFIX}{name.upper()})"
