"""The page's controls by name, and the strings each of them carries.

`Page.relabel` gives every control its strings in a language without touching any value: switching the
language of a page loses nothing that was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components.base import Component

from codegemma_ui.ui.strings import Language, text

Label = Callable[[Language], Any]


@dataclass
class Page:
    """Everything on the page that a handler reads or writes; see `layout` for where it stands."""

    controls: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, dict[str, Label]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["controls"][name]
        except KeyError:
            raise AttributeError(name) from None

    def add(
        self, name: str, kind: Callable[..., Any], *, labels: dict[str, Any], **arguments: Any
    ) -> Any:
        """Make a control, remember it under a name, and label it in English.

        Args:
            name: what handlers call it; with dashes it is its `elem_id`.
            kind: the component class.
            labels: property -> a key of `strings.TABLE`, or a function from the language to its value.
            arguments: of the component, beside the labelled properties.
        """
        by_language: dict[str, Label] = {
            key: label if callable(label) else _from_table(label) for key, label in labels.items()
        }
        control = kind(
            **{key: label("en") for key, label in by_language.items()},
            elem_id=name.replace("_", "-"),
            **arguments,
        )
        self.controls[name] = control
        self.labels[name] = by_language
        return control

    def labelled(self) -> list[Component]:
        """The controls that `relabel` updates, in its order."""
        return [self.controls[name] for name, labels in self.labels.items() if labels]

    def relabel(self, language: Language) -> list[Any]:
        """One update for each of `labelled`."""
        return [
            gr.update(**{key: label(language) for key, label in labels.items()})
            for labels in self.labels.values()
            if labels
        ]


def _from_table(key: str) -> Label:
    return lambda language: text(key, language)
