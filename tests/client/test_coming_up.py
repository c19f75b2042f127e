"""The progress line in a terminal while a model starts."""

from __future__ import annotations

import io
import sys

import pytest

from codegemma_ui.client import coming_up
from codegemma_ui.ipc.messages import Status

LOADING = Status(state="loading", preset="code_gemma_2b_en", backend="torch", progress=0.4)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_step_names_the_model_and_how_far_it_is() -> None:
    assert coming_up.step(LOADING) == "code_gemma_2b_en on torch: loading 40%"
    assert (
        coming_up.step(Status(state="starting", preset="a", backend="jax")) == "a on jax: starting"
    )


def test_a_terminal_is_told_and_left_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with coming_up.Line() as line:
        line.show(LOADING)
        line.show(LOADING)
        assert terminal.getvalue() == f"\r{coming_up.step(LOADING)}"
    assert terminal.getvalue().endswith("\r")


def test_a_pipe_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stderr", pipe)
    with coming_up.Line() as line:
        line.show(LOADING)
    assert pipe.getvalue() == ""
