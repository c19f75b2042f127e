"""The parts of the contract, in the form of JSON."""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import httpx

import codegemma_ui
from codegemma_ui import errors, library, secrets
from codegemma_ui.commands import main
from codegemma_ui.ipc import messages
from tests.server.scripted_page import serving, wait_until

PACKAGE = Path(codegemma_ui.__file__).parent


def commands() -> dict[str, Any]:
    """Return each command's flags and arguments: types, defaults, choices."""
    return {name: _arguments(parser) for name, parser in _parsers()}


def _parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    parser = main.parser()
    yield "", parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from sorted(action.choices.items())


def _arguments(parser: argparse.ArgumentParser) -> dict[str, Any]:
    together = {
        id(action): sorted("/".join(one.option_strings) for one in group._group_actions)
        for group in parser._mutually_exclusive_groups
        for action in group._group_actions
    }
    found = {}
    for action in parser._actions:
        about = {
            "takes": type(action).__name__.strip("_").removesuffix("Action"),
            "type": getattr(action.type, "__name__", None),
            "default": None if action.default is None else str(action.default),
            "choices": None if action.choices is None else sorted(map(str, action.choices)),
            "required": action.required or None,
            "not_beside": together.get(id(action)),
        }
        name = "/".join(action.option_strings) or action.dest
        found[name] = {key: value for key, value in about.items() if value is not None}
    return found


def variables() -> list[str]:
    """Return our environment variables: those that a flag has, and those that the source names."""
    flags = {
        found
        for _, parser in _parsers()
        for action in parser._actions
        for found in re.findall(r"\[(CODEGEMMA_UI_\w+)", action.help or "")
    }
    source = {
        found
        for file in PACKAGE.rglob("*.py")
        for found in re.findall(r"\bCODEGEMMA_UI_[A-Z_]*[A-Z]\b", file.read_text("utf-8"))
    }
    return sorted(flags | source | set(secrets.NAMES))


def events() -> dict[str, Any]:
    """Return the fields of each event, with their types."""
    kinds = (
        *(messages.PromptEvent, messages.PrefillEvent, messages.TokenEvent),
        *(messages.DoneEvent, messages.CancelledEvent, messages.ErrorEvent),
    )
    return {kind.event: _typed(kind) for kind in kinds} | {
        "an alternative": _typed(messages.Alternative),
        "a request": _typed(messages.CompletionRequest),
    }


def _typed(kind: Any) -> dict[str, str]:
    return {one.name: str(one.type) for one in fields(kind)}


def error_codes() -> dict[str, str]:
    """Return the names and codes of the exceptions."""
    kinds = [one for _, one in inspect.getmembers(errors, inspect.isclass)]
    return {one.__name__: one.code for one in kinds if issubclass(one, errors.PlaygroundError)}


def public_names() -> dict[str, Any]:
    """Return the public names of `codegemma_ui` and its library, with signatures."""
    kinds = (library.Playground, library.Result)
    return {"codegemma_ui": sorted(codegemma_ui.__all__)} | {
        kind.__name__: {
            name: str(inspect.signature(one)) if callable(one) else type(one).__name__
            for name, one in inspect.getmembers(kind)
            if not name.startswith("_") or name in ("__init__", "__enter__", "__exit__", "__str__")
        }
        for kind in kinds
    }


def over_http() -> dict[str, Any]:
    """Return the public endpoints with their parameters, and the keys of `/status` and of the operator's
    pages."""
    flags = ("--openai-api", "--mcp", "--metrics")
    with serving(*flags) as page, httpx.Client(base_url=page.url, timeout=30) as http:
        wait_until(lambda: http.get("/healthz").json()["state"] == "ready")
        named = http.get("/gradio_api/info").json()["named_endpoints"]
        metrics = re.findall(r"^# TYPE (\S+) (\S+)$", http.get("/metrics").text, re.MULTILINE)
        return {
            "endpoints": {name: _parameters(one) for name, one in sorted(named.items())},
            "/status": sorted(
                http.post("/gradio_api/run/status", json={"data": []}).json()["data"][0]
            ),
            "/healthz": sorted(http.get("/healthz").json()),
            "/metrics": dict(sorted(metrics)),
            "/v1/models": _shape(http.get("/v1/models").json()),
            "/v1/completions": _shape(
                http.post(
                    "/v1/completions", json={"prompt": "a", "suffix": "b", "seed": 1, "logprobs": 1}
                ).json()
            ),
            "/infill": _shape(
                http.post(
                    "/infill", json={"input_prefix": "a", "input_suffix": "b", "n_predict": 4}
                ).json()
            ),
            "a refusal": {
                path: _shape(http.post(path, json={"temperature": "hot"}).json())
                for path in ("/v1/completions", "/infill")
            },
            "tools": _tools(http),
        }


def _parameters(endpoint: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": one["parameter_name"],
            "has_default": one["parameter_has_default"],
            "default": one.get("parameter_default"),
            "type": sorted(one["python_type"]["type"].split(" | ")),
        }
        for one in endpoint["parameters"]
    ]


def _tools(http: httpx.Client) -> list[dict[str, Any]]:
    question = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"accept": "application/json, text/event-stream"}
    answer = http.post("/gradio_api/mcp/", json=question, headers=accept)
    found = re.search(r"\{.*\}", answer.text)
    assert found is not None, answer.text
    return [
        {
            "name": tool["name"],
            "parameters": {
                name: {
                    key: value for key, value in one.items() if key not in ("description", "title")
                }
                for name, one in sorted(tool["inputSchema"]["properties"].items())
            },
            "required": sorted(tool["inputSchema"].get("required", [])),
        }
        for tool in json.loads(found[0])["result"]["tools"]
    ]


def _shape(value: Any) -> Any:
    """Return the keys of a JSON value and the types of their values."""
    if isinstance(value, dict):
        return {key: _shape(one) for key, one in sorted(value.items())}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__
