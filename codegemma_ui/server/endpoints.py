"""Which of Gradio's events a request may name, and with which values: those that there are.

Gradio 6.31 looks an event up by whatever number, name or parameter came, and fails with a server error
where there is none. It quotes a choice that it does not offer, however long, and keeps a session by whatever
name it has, so those are bounded here, before anything is made of them.
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
"""Of a session's name and of all else that a request names itself by."""

MAX_CHOICE_CHARACTERS = 1000
"""Of a value that is no text: a choice, a number, a switch, a state, which the browser never holds."""

_WORDS = ("session_hash", "event_id")
_SENT = {"data", "fn_index", "event_data", "trigger_id", *_WORDS}
"""What a page sends with an event; of the rest Gradio makes nothing that is needed here."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a public endpoint.

    Attributes:
        required: it has no default.
        default: as `/info` tells it.
    """

    name: str
    required: bool
    default: Any


@dataclass(frozen=True)
class Endpoints:
    """The events of a page and its API.

    Attributes:
        inputs: number of an event of the page -> the most characters of each value that it takes; None where
            the body's bound is enough.
        public: name -> parameters of those that programs may call.
        names: number of a public event -> its name.
    """

    inputs: Mapping[int, tuple[int | None, ...]]
    public: Mapping[str, tuple[Parameter, ...]]
    names: Mapping[int, str]

    @classmethod
    def of(cls, blocks: gr.Blocks) -> Endpoints:
        """Those of a page that is laid out."""
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
            if number not in names and event.fn is not None  # the others are the browser's alone
        }
        return cls(inputs, public, names)

    def check(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body as Gradio is to be given it: with a value for each parameter.

        Gradio (6.31) fails at fewer, and tells the caller null; it leaves out those that are too many.

        Raises:
            Refused: it names no event, or has other values than that takes.
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
                raise Refused(422, f"The parameters are {listed}. Received: others.")
        return body

    def _filled(self, name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The body of a call by position, with the defaults of the parameters that it leaves out.

        Raises:
            Refused.
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
                f"data must be {values}. Received: {len(data)} values, {len(parameters)} are the most.",
            )
        left_out = parameters[len(data) :]
        required = ", ".join(each.name for each in left_out if each.required)
        if required:
            raise Refused(422, f"data must also have values for {required}.")
        return {**body, "data": [*data, *(each.default for each in left_out)]} if left_out else body

    def _known(self, name: str) -> tuple[Parameter, ...]:
        """The parameters of a public endpoint.

        Raises:
            Refused: there is none of this name.
        """
        parameters = self.public.get(name)
        if parameters is None:
            raise Refused(404, f"There are /{', /'.join(self.public)}. Received: another one.")
        return parameters


def _most_characters(component: object) -> int | None:
    """Of a value of a component: a text is bounded by the body, and by whoever makes something of it."""
    if isinstance(component, gr.Code | gr.Textbox):
        return None
    return MAX_CHOICE_CHARACTERS


def _characters(value: object) -> int:
    return len(value) if isinstance(value, str) else len(orjson.dumps(value))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_WORD_CHARACTERS
