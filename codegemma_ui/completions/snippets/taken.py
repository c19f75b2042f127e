"""What is taken along: one completion, and how its prompt is best handed to another program. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from codegemma_ui import fim
from codegemma_ui.completions.recording import Recording
from codegemma_ui.errors import BadInput
from codegemma_ui.fim.tokenizers import REASONS, Reason, read_otherwise
from codegemma_ui.fim.vocabulary import Prompt
from codegemma_ui.ipc.messages import AS_SERVED, CompletionRequest, DoneEvent
from codegemma_ui.machine import BACKENDS, OPENAI
from codegemma_ui.presets import Preset

__all__ = ["REASONS", "Reason", "Taken", "Tool"]

Tool = Literal["keras_hub", "transformers", "llama_cpp", "curl"]

GREEDY_BELOW = 1e-30
"""A temperature up to this is as good as 0."""

DTYPES = ("float32", "bfloat16", "float16", "int8")


@dataclass(frozen=True)
class Taken:
    """A completion to be written as code.

    Attributes:
        request: as it was asked.
        prompt: as the model received it.
        preset: the model's row.
        backend, dtype: what it ran on and in.
        forced: ids of the tokens that the middle began with because they were asked for.
        forced_text: those of them that belong to the middle, as text.
        past: a stop token is among them: what was written is past the middle's end.
        ending: how the program's lines end, "LF" or "CRLF".
        ended: it came to an end by itself.
        served: a server wrote it, in a precision of its own.

    Raises:
        BadInput: the prompt is not the request's, or there is no such backend, precision or model.
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
        """What comes with a shared completion is a stranger's, and a script is run."""
        prefix, suffix = self._kept("prefix"), self._kept("suffix")
        names = {part.text for part in self.prompt.segments if part.role == "control"}
        own = self.request.prefix.endswith(prefix) and self.request.suffix.startswith(suffix)
        if not own or not names <= set(fim.FIM_TOKENS):
            raise BadInput("A prompt must be the request's own. Received: another one")
        if self.backend not in BACKENDS:
            raise BadInput(
                f"The backend must be one of {', '.join(BACKENDS)}. Received: another one"
            )
        if self.dtype not in DTYPES:
            raise BadInput(
                f"The precision must be one of {', '.join(DTYPES)}. Received: another one"
            )
        if not self.preset.name.isprintable():
            raise BadInput("The name of a model must be printable. Received: another one")

    @classmethod
    def of(cls, recording: Recording, preset: Preset) -> Taken:
        """A recorded completion.

        Args:
            preset: the row of the model that wrote it.
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

    # The program: what stands before the middle and after it

    @property
    def before(self) -> str:
        """What the model read of the prefix: its end."""
        return self._kept("prefix")

    @property
    def unread_before(self) -> str:
        """What was cut from the prefix's start."""
        return self.request.prefix.removesuffix(self.before)

    @property
    def after(self) -> str:
        """What the model read of the suffix: its start. Left to right, when it reads none, all of it."""
        return self._kept("suffix") if self.request.layout != "ltr" else self.request.suffix

    @property
    def unread_after(self) -> str:
        """What was cut from the suffix's end."""
        return self.request.suffix.removeprefix(self.after)

    # The prompt

    @property
    def begins(self) -> str:
        """What the middle begins with, where it can be given as text; else empty."""
        return self.request.forced if isinstance(self.request.forced, str) else ""

    @property
    def given_ids(self) -> tuple[int, ...]:
        """All that the model is given, as token ids."""
        return self.prompt.token_ids + self.forced

    @property
    def new_tokens(self) -> int:
        """The most that may be written."""
        return self.request.max_length - len(self.given_ids)

    def reason(self, tool: Tool) -> Reason | None:
        """Why a tool is given token ids in place of a text, if it is."""
        if self.forced and not self.begins:
            return "chosen"
        begins = [fim.Segment("prefix", self.begins)] if self.begins else []
        return read_otherwise((*self.prompt.segments, *begins), special_names=tool != "keras_hub")

    # The choice of tokens

    @property
    def greedy(self) -> bool:
        """Whether no token was left to chance."""
        request = self.request
        return request.temperature <= GREEDY_BELOW or request.top_k == 1 or request.top_p == 0

    # The model

    @property
    def slug(self) -> str:
        """As a part of a folder's name."""
        return re.sub(r"[^\w.-]+", "-", self.preset.name).strip("-.") or "model"
