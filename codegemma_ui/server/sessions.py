"""Session state of Gradio (6.31), reduced and bounded over all sessions.

Gradio keeps the last value of every control of every session, under any session name, to save a page for a
deep link, which is closed here; a copy of each control to which an event gave another label, choices or
style, some 3.5 kB; and the content of each `State`, which here is the last run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import inf
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

MAX_BYTES = 24 * 2**20
"""Of the states of all sessions together; the least recently used are dropped first, and none may take half
of it. A page whose state is dropped is sent everything at its next status poll."""


CHECKED = (gr.Dropdown, gr.Radio, gr.Slider, gr.Number)
"""Controls whose values are checked against what an event may have changed, such as their choices."""


class Session(SessionState):
    """The state of one page, without the values of its controls, and with `CHECKED` controls only.

    Attributes:
        bytes: approximate size of its states.
    """

    _last: tuple[int, Any] | None = None
    """The last other control that an event changed: Gradio reads it at once to know what to send."""

    def __init__(self, blocks: gr.Blocks) -> None:
        # Without blocks it computes no control's configuration: 10 ms of each program's request.
        bare: Any = SimpleNamespace(default_config=blocks.default_config, blocks={})
        super().__init__(bare)
        self.bytes = 0

    def __setitem__(self, key: int, value: Any) -> None:
        if not isinstance(self.blocks_config.blocks.get(key), (gr.State, *CHECKED)):
            self._last = key, value
            return
        super().__setitem__(key, value)
        self.config_values.clear()
        self.bytes = size(self.state_data, MAX_BYTES // 2)
        if self.bytes > MAX_BYTES // 2:
            self.state_data.clear()
            self.bytes = 0

    def __getitem__(self, key: int) -> Any:
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        return super().__getitem__(key)

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: Any) -> None:
        pass


class Sessions(StateHolder):
    """The states of all pages."""

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = Session(self.blocks)
        return super().__getitem__(session_id)

    def update(self, session_id: str) -> None:
        super().update(session_id)
        with self.lock:
            total = sum(one.bytes for one in self.session_data.values() if isinstance(one, Session))
            while total > MAX_BYTES and len(self.session_data) > 1:
                name, oldest = self.session_data.popitem(last=False)
                self.time_last_used.pop(name, None)
                total -= oldest.bytes if isinstance(oldest, Session) else 0


def size(value: Any, most: float = inf) -> int:
    """Return the approximate size of a value and its contents in bytes; counting stops at `most`."""
    seen: set[int] = set()
    total, left = 0, [value]
    while left and total <= most:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, Mapping):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            left += one
        elif is_dataclass(one) and not isinstance(one, type):
            left += [getattr(one, each.name) for each in fields(one)]
        elif not isinstance(one, type | FunctionType | MethodType | ModuleType):
            left.append(getattr(one, "__dict__", None))
    return total
