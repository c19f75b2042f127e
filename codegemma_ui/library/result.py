"""Result of a completion, which displays itself in notebooks."""

from __future__ import annotations

from dataclasses import dataclass

from codegemma_ui.client.progress import Progress
from codegemma_ui.ipc.messages import Completion, CompletionRequest, TokenEvent
from codegemma_ui.library import markup


@dataclass(frozen=True, kw_only=True, repr=False)
class Result(Completion):
    """A finished completion: `str()` is its middle, and a notebook shows the program.

    Attributes:
        request: the original request.
        tokens: one event per generated token, including the stop token.
        prompt, raw_output, middle, program: texts, as in `messages.Completion`, like all other fields.
    """

    request: CompletionRequest
    tokens: tuple[TokenEvent, ...]
    prompt: str = ""
    raw_output: str = ""
    middle: str = ""
    program: str = ""

    @classmethod
    def of(cls, request: CompletionRequest, progress: Progress) -> Result:
        """Combine all events of a request, the last one included."""
        return cls(**vars(progress.completion), request=request, tokens=tuple(progress.tokens))

    def __str__(self) -> str:
        return self.middle

    def __repr__(self) -> str:
        return (
            f"Result({self.middle!r}, stop_reason={self.stop_reason!r}, "
            f"stop_token={self.stop_token!r}, tokens={len(self.tokens)})"
        )

    def _repr_html_(self) -> str:
        """Return HTML for Jupyter."""
        return markup.program(self.request.prefix, self.middle, self.request.suffix)
