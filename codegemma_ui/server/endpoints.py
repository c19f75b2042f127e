"""Which of Gradio's events a request may name: those that there are.

Gradio 6.31 looks an event up by whatever number, name or parameter came, and fails with a server error
where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from codegemma_ui.server.bodies import Refused

_JOIN = "/gradio_api/queue/join"
_RUN = "/gradio_api/run/"
_CALL = "/gradio_api/call/"


@dataclass(frozen=True)
class Endpoints:
    """The events of a page and its API.

    Attributes:
        inputs: number of an event -> how many values it takes; None where some have a default.
        public: name -> parameters of those that programs may call.
    """

    inputs: Mapping[int, int | None]
    public: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, blocks: gr.Blocks) -> Endpoints:
        """Those of a page that is laid out."""
        public = {
            name.removeprefix("/"): frozenset(
                each["parameter_name"] for each in facts["parameters"]
            )
            for name, facts in blocks.get_api_info()["named_endpoints"].items()
        }
        inputs = {
            number: None if event.api_visibility == "public" else len(event.inputs)
            for number, event in blocks.fns.items()
        }
        return cls(inputs, public)

    def check(self, path: str, body: Mapping[str, Any]) -> None:
        """Whether a request names what there is.

        Raises:
            Refused.
        """
        if path.startswith(_RUN) and body.get("fn_index") is None:
            self._known(path.removeprefix(_RUN).strip("/"))
            if not isinstance(body.get("data"), list):
                raise Refused(422, "data must be a list of its values.")
        elif path.startswith((_JOIN, _RUN)):
            number = body.get("fn_index")
            if isinstance(number, bool) or not isinstance(number, int):
                raise Refused(422, "fn_index must be a whole number.")
            if number not in self.inputs:
                raise Refused(404, "There is no event with this fn_index.")
            expected, data = self.inputs[number], body.get("data")
            if not isinstance(data, list) or expected not in (None, len(data)):
                raise Refused(422, f"data must be a list of {expected or 'its'} values.")
            if path.startswith(_JOIN) and not _is_word(body.get("session_hash")):
                raise Refused(422, "session_hash must be a string.")
        elif path.startswith(_CALL):
            name = path.removeprefix(_CALL).strip("/")
            by_parameter = name.startswith("v2/")
            parameters = self._known(name.removeprefix("v2/"))
            if by_parameter and not parameters.issuperset(body):
                known = ", ".join(sorted(parameters)) or "none"
                raise Refused(422, f"The parameters are {known}. Received: others.")

    def _known(self, name: str) -> frozenset[str]:
        """The parameters of a public endpoint.

        Raises:
            Refused: there is none of this name.
        """
        parameters = self.public.get(name)
        if parameters is None:
            raise Refused(404, f"There are /{', /'.join(self.public)}. Received: another one.")
        return parameters


def _is_word(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 100
