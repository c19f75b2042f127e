"""The completion to export as code, and the best way to pass its prompt to another program. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from codegemma_ui import fim
from codegemma_ui.completions.recording import Recording
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.tokenizers import REASONS, Reason, split_differently
from codegemma_ui.fim.vocabulary import Prompt
from codegemma_ui.ipc.messages import AS_SERVED, CompletionRequest, DoneEvent
from codegemma_ui.machine import BACKENDS, OPENAI
from codegemma_ui.presets import Preset

__all__ = ["REASONS", "Reason", "Taken", "Tool"]

Tool = Literal["keras_hub", "transformers", "llama_cpp", "curl"]

GREEDY_BELOW = 1e-30
"""Temperatures up to this are treated as 0."""

DTYPES = ("float32", "bfloat16", "float16", "int8")


@dataclass(frozen=True)
class Taken:
    """A completion to be written as code.

    Attributes:
        request: the original request.
        prompt: as the model received it.
        preset: the model's preset.
        backend, dtype: backend and precision it ran with.
        forced: ids of the forced tokens at the start of the middle.
        forced_text: text of those that belong to the middle.
        past: whether they include a stop token, so that the output is past the middle's end.
        ending: line ending of the program, "LF" or "CRLF".
        ended: whether it ended by itself.
        served: whether a server generated it, in a precision of its own.

    Raises:
        BadInput: the prompt does not match the request, or backend, precision or model are unknown.
    """

    request: CompletionRequest
    prompt: Prompt
    preset: Preset
    backend: str
    dtype: str
    forced: tuple[int, ...] = ()
    forced_text: str = ""
    past: bool = False
    ending: str = "LF"
    ended: bool = True
    served: bool = False

    def __post_init__(self) -> None:
        """Validate: a shared completion is untrusted, and scripts get executed."""
        prefix, suffix = self._kept("prefix"), self._kept("suffix")
        names = {part.text for part in self.prompt.segments if part.role == "control"}
        own = self.request.prefix.endswith(prefix) and self.request.suffix.startswith(suffix)
        if not own or not names <= set(fim.FIM_TOKENS):
            raise BadInput("A prompt must match its request. Received: a different one")
        if self.backend not in BACKENDS:
            raise BadInput(
                f"The backend must be one of {', '.join(BACKENDS)}. Received: a different one"
            )
        if self.dtype not in DTYPES:
            raise BadInput(
                f"The precision must be one of {', '.join(DTYPES)}. Received: a different one"
            )
        if not self.preset.name.isprintable():
            raise BadInput("The name of a model must be printable. Received: a different one")

    @classmethod
    def of(cls, recording: Recording, preset: Preset) -> Taken:
        """Convert a recorded completion.

        Args:
            preset: preset of the model that generated it.
        """
        forced = [token for token in recording.tokens if token.forced]
        last = recording.last
        return cls(
            request=recording.request,
            prompt=recording.prompt,
            preset=preset,
            backend="jax" if last.backend in (None, OPENAI) else last.backend or "",
            dtype="float32" if last.dtype in (None, AS_SERVED) else last.dtype or "",
            served=last.backend == OPENAI,
            forced=tuple(token.id for token in forced),
            forced_text="".join(token.text for token in forced if not token.past_end),
            past=any(token.past_end for token in recording.tokens),
            ending=recording.ending,
            ended=isinstance(last, DoneEvent)
            and last.stop_reason not in ("time_limit", "repetition", "server"),
        )

    def _kept(self, role: fim.Role) -> str:
        return "".join(part.text for part in self.prompt.segments if part.role == role)

    # The program: the text before and after the middle

    @property
    def before(self) -> str:
        """The end of the prefix that the model read."""
        return self._kept("prefix")

    @property
    def unread_before(self) -> str:
        """The start of the prefix that was cut."""
        return self.request.prefix.removesuffix(self.before)

    @property
    def after(self) -> str:
        """The start of the suffix that the model read; all of it in left-to-right layout, which ignores
        it."""
        return self._kept("suffix") if self.request.layout != "ltr" else self.request.suffix

    @property
    def unread_after(self) -> str:
        """The end of the suffix that was cut."""
        return self.request.suffix.removeprefix(self.after)

    # The prompt

    @property
    def begins(self) -> str:
        """The given beginning of the middle, if it can be passed as text; else empty."""
        return self.request.forced if isinstance(self.request.forced, str) else ""

    @property
    def given_ids(self) -> tuple[int, ...]:
        """Everything the model is given, as token ids."""
        return self.prompt.token_ids + self.forced

    @property
    def new_tokens(self) -> int:
        """Maximum number of new tokens."""
        return self.request.max_length - len(self.given_ids)

    def reason(self, tool: Tool) -> Reason | None:
        """Return why a tool needs token ids instead of text, or None."""
        if self.forced and not self.begins:
            return "chosen"
        begins = [fim.Segment("prefix", self.begins)] if self.begins else []
        return split_differently(
            (*self.prompt.segments, *begins), special_names=tool != "keras_hub"
        )

    # The choice of tokens

    @property
    def greedy(self) -> bool:
        """Return whether sampling was off."""
        request = self.request
        return request.temperature <= GREEDY_BELOW or request.top_k == 1 or request.top_p == 0

    # The model

    @property
    def slug(self) -> str:
        """Name for use in a folder's name."""
        return re.sub(r"[^\w.-]+", "-", self.preset.name).strip("-.") or "model"
