"""The page's controls by name, and their labels in each language.

`Page.relabel` changes the labels of all controls without touching any value: switching the language loses
nothing that was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr
from gradio.components.base import Component

from codegemma_ui.ui.bounded import BoundedNumber, BoundedSlider
from codegemma_ui.ui.code_editor import CodeEditor
from codegemma_ui.ui.context_files import ContextFiles
from codegemma_ui.ui.seed_field import SeedField
from codegemma_ui.ui.stop_field import StopField
from codegemma_ui.ui.strings import Language, text

T = TypeVar("T")

Label = Callable[[Language], Any]


class Page:
    """All controls that a handler reads or writes; `layout` arranges them.

    Attributes:
        controls: the same by name.
        labels: name of a control -> its labelled properties, each a function of the language.
    """

    # Header
    title: gr.HTML
    links: gr.HTML
    language_choice: gr.Radio
    theme: gr.Button
    log_out: gr.Button  # under a login
    status: gr.HTML
    connection: gr.HTML
    notices: gr.HTML
    answer: gr.HTML

    # What to run
    model: gr.Dropdown
    backend: gr.Dropdown
    code_language: gr.Dropdown
    example: gr.Dropdown
    cancel_switch: gr.Button
    lesson: gr.HTML

    # The editors, and what is around them
    before: CodeEditor
    after: CodeEditor
    middle: CodeEditor
    middle_copy: gr.HTML
    ending: gr.Radio
    clear: gr.Button
    boundaries: gr.HTML
    outcome: gr.HTML
    caption: gr.HTML
    contrast: gr.HTML

    # The request
    max_length: BoundedSlider
    auto_length: gr.Checkbox
    one_line: gr.Checkbox
    token_sum: gr.HTML
    as_i_type: gr.HTML
    complete: gr.Button
    stop: gr.Button
    ghost: gr.HTML
    advanced: gr.Accordion
    temperature: BoundedSlider
    top_k: BoundedNumber
    top_p: BoundedSlider
    seed: SeedField
    stop_on_repetition: gr.Checkbox
    stop_strings: StopField
    layout: gr.Radio
    precision: gr.Dropdown
    path: gr.Textbox
    files: ContextFiles

    # The tabs
    program_tab: gr.Tab
    program: gr.HTML
    raw_prompt_tab: gr.Tab
    raw_prompt: gr.HTML
    raw_output_tab: gr.Tab
    raw_output: gr.HTML
    xray_tab: gr.Tab
    xray: gr.HTML
    tokens_tab: gr.Tab
    tokens: gr.HTML
    race_tab: gr.Tab
    race: gr.HTML
    truth_fold: gr.Accordion
    truth: gr.Textbox
    suffix_tab: gr.Tab
    suffix: gr.HTML
    lessons_tab: gr.Tab
    lessons: gr.HTML
    quiz: gr.HTML
    take_tab: gr.Tab
    take: gr.HTML
    summary_fold: gr.Accordion
    summary: gr.HTML
    footer: gr.HTML

    # Hidden: exchanged between the page's scripts and the server
    words: gr.HTML
    recorded: gr.HTML
    paste_report: gr.Textbox
    branch_ask: gr.Textbox
    show_ask: gr.Textbox
    race_ask: gr.Textbox
    suffix_ask: gr.Textbox
    lesson_ask: gr.Textbox
    quiz_ask: gr.Textbox
    take_ask: gr.Textbox
    open_ask: gr.Textbox
    kept: gr.Textbox
    counts_by: gr.Textbox
    fitting: gr.Number
    typed: gr.Checkbox
    dismiss_ask: gr.Textbox
    truth_ask: gr.Textbox

    # Not visible
    timer: gr.Timer
    shown: gr.State
    result: gr.State
    lesson_open: gr.State
    requested: gr.State  # the switch that this page requested last

    def __init__(self) -> None:
        self.controls: dict[str, Any] = {}
        self.labels: dict[str, dict[str, Label]] = {}

    def hold(self, name: str, control: Any) -> None:
        """Register a control as the attribute of that name."""
        assert name in Page.__annotations__, name
        setattr(self, name, control)
        self.controls[name] = control

    def add(
        self, name: str, kind: Callable[..., T], *, labels: dict[str, Any], **arguments: Any
    ) -> T:
        """Create a control, register it under a name, and label it in English.

        Args:
            name: its attribute; with dashes it is its `elem_id`.
            kind: the component class.
            labels: property -> a key of `strings.TABLE`, or a function from the language to its value.
            arguments: of the component, without the labelled properties.
        """
        by_language: dict[str, Label] = {
            key: label if callable(label) else _from_table(label) for key, label in labels.items()
        }
        control = kind(
            **{key: label("en") for key, label in by_language.items()},
            elem_id=name.replace("_", "-"),
            **arguments,
        )
        self.hold(name, control)
        self.labels[name] = by_language
        return control

    def labelled(self) -> list[Component]:
        """Return the controls that `relabel` updates, in its order."""
        return [self.controls[name] for name, labels in self.labels.items() if labels]

    def relabel(self, language: Language) -> dict[Any, Any]:
        """Return an update for each of `labelled`."""
        return {
            self.controls[name]: gr.update(
                **{key: label(language) for key, label in labels.items()}
            )
            for name, labels in self.labels.items()
            if labels
        }


def _from_table(key: str) -> Label:
    return lambda language: text(key, language)
