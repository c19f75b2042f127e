"""Checks that a request names an existing Gradio event, with the values it takes.

Gradio 6.31 looks an event up by any number, name or parameter it receives, and fails with a server error if
there is none. It quotes an invalid choice of any length, and keeps a session under any name, so both are
bounded here first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
import orjson

from codegemma_ui.server.bodies import Refused

_JOIN = "/gradio_api/queue/join"
_RUN = "/gradio_api/run/"
_CALL = "/gradio_api/call/"

MAX_WORD_CHARACTERS = 100
"""Of a session's name and of other identifiers in a request."""

MAX_CHOICE_CHARACTERS = 1000
"""Of a value that is not text: a choice, a number, a checkbox, a state (which the browser never holds)."""

_WORDS = ("session_hash", "event_id")
_SENT = {"data", "fn_index", "event_data", "trigger_id", *_WORDS}
"""Fields that a page sends with an event; Gradio does nothing with others that is needed here."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a public endpoint.

    Attributes:
        required: whether it has no default.
        default: as `/info` reports it.
    """

    name: str
    required: bool
    default: Any


@dataclass(frozen=True)
class Endpoints:
    """The events of a page and its API.

    Attributes:
        inputs: number of an event of the page -> the most characters of each of its values; None where the
            limit of the body suffices.
        public: name -> parameters of the endpoints that programs may call.
        names: number of a public event -> its name.
    """

    inputs: Mapping[int, tuple[int | None, ...]]
    public: Mapping[str, tuple[Parameter, ...]]
    names: Mapping[int, str]

    @classmethod
    def of(cls, blocks: gr.Blocks) -> Endpoints:
        """Return the endpoints of a page that is laid out."""
        public = {
            name.removeprefix("/"): tuple(
                Parameter(
                    each["parameter_name"],
                    not each["parameter_has_default"],
                    each.get("parameter_default"),
                )
                for each in facts["parameters"]
            )
            for name, facts in blocks.get_api_info()["named_endpoints"].items()
        }
        names = {
            number: str(event.api_name)
            for number, event in blocks.fns.items()
            if event.api_visibility == "public"
        }
        inputs = {
            number: tuple(map(_most_characters, event.inputs))
            for number, event in blocks.fns.items()
            if number not in names and event.fn is not None  # the others run in the browser only
        }
        return cls(inputs, public, names)

    def check(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the body to pass to Gradio, with a value for each parameter.

        Gradio (6.31) fails on missing values, and the caller receives null; it drops surplus ones.

        Raises:
            Refused: the body names no event, or its values do not fit the event.
        """
        for name in _WORDS:
            if body.get(name) is not None and not _is_word(body[name]):
                raise Refused(
                    422, f"{name} must be a string of at most {MAX_WORD_CHARACTERS} characters."
                )
        if not path.startswith(f"{_CALL}v2/") and not _SENT.issuperset(body):
            body = {name: value for name, value in body.items() if name in _SENT}
        if path.startswith(_RUN) and body.get("fn_index") is None:
            return self._filled(path.removeprefix(_RUN).strip("/"), body)
        if path.startswith((_JOIN, _RUN)):
            number = body.get("fn_index")
            if isinstance(number, bool) or not isinstance(number, int):
                raise Refused(422, "fn_index must be a whole number.")
            if number in self.names:
                body = self._filled(self.names[number], body)
            elif number not in self.inputs:
                raise Refused(404, "There is no event with this fn_index.")
            else:
                limits, data = self.inputs[number], body.get("data")
                if not isinstance(data, list) or len(data) != len(limits):
                    raise Refused(422, f"data must be a list of {len(limits)} values.")
                for value, most in zip(data, limits, strict=True):
                    if most is not None and _characters(value) > most:
                        raise Refused(422, f"A value of data may have at most {most:,} characters.")
            if path.startswith(_JOIN) and not _is_word(body.get("session_hash")):
                raise Refused(422, "session_hash must be a string.")
        elif path.startswith(_CALL):
            name = path.removeprefix(_CALL).strip("/")
            if not name.startswith("v2/"):
                return self._filled(name, body)
            known = {each.name for each in self._known(name.removeprefix("v2/"))}
            if not known.issuperset(body):
                listed = ", ".join(sorted(known)) or "none"
                raise Refused(422, f"The parameters must be among {listed}. Received: others.")
        return body

    def _filled(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the body of a positional call, with defaults for the parameters that it leaves out.

        Raises:
            Refused: the values do not fit the parameters.
        """
        parameters, data = self._known(name), body.get("data")
        order = ", ".join(each.name for each in parameters)
        values = f"a list of values, in this order: {order}" if parameters else "an empty list"
        if not isinstance(data, list):
            raise Refused(
                422,
                f"data must be {values}. "
                f"Received: {'nothing' if data is None else type(data).__name__}.",
            )
        if len(data) > len(parameters):
            raise Refused(
                422,
                f"data must be {values}. Received: {len(data)} values, not at most {len(parameters)}.",
            )
        left_out = parameters[len(data) :]
        required = ", ".join(each.name for each in left_out if each.required)
        if required:
            raise Refused(422, f"data must also hold values for {required}.")
        return {**body, "data": [*data, *(each.default for each in left_out)]} if left_out else body

    def _known(self, name: str) -> tuple[Parameter, ...]:
        """Return the parameters of a public endpoint.

        Raises:
            Refused: there is no such endpoint.
        """
        parameters = self.public.get(name)
        if parameters is None:
            endpoints = ", ".join(f"/{each}" for each in self.public)
            raise Refused(404, f"The endpoint must be one of {endpoints}. Received: another name.")
        return parameters


def _most_characters(component: object) -> int | None:
    """Return the most characters of a component's value; a text is bounded by the body and by its handler."""
    if isinstance(component, gr.Code | gr.Textbox):
        return None
    return MAX_CHOICE_CHARACTERS


def _characters(value: object) -> int:
    return len(value) if isinstance(value, str) else len(orjson.dumps(value))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_WORD_CHARACTERS
