"""The layout of the page: the user's code on the left, with Complete between its two parts; the model's on
the right, with the views of it; the settings below. docs/architecture.md says why.

The styles are in `static/*.css`, the behaviour in `handlers`; every string comes from `strings`.
"""

from __future__ import annotations

import gradio as gr
from starlette.middleware import Middleware

from codegemma_ui import fim
from codegemma_ui.client.client import EngineClient
from codegemma_ui.ipc.checks import MAX_STOP_CHARACTERS, MAX_STOPS
from codegemma_ui.ipc.messages import MAX_PATH_CHARACTERS, MAX_TEMPERATURE, MAX_TOP_K
from codegemma_ui.presets import DTYPES
from codegemma_ui.settings import Settings
from codegemma_ui.ui import api, fixed_html, gradio_setup, handlers, render, views
from codegemma_ui.ui.bounded import BoundedNumber, BoundedSlider
from codegemma_ui.ui.code_editor import CodeEditor
from codegemma_ui.ui.components import Page
from codegemma_ui.ui.context_files import ContextFiles
from codegemma_ui.ui.events import AT_ONCE
from codegemma_ui.ui.examples import EXAMPLES
from codegemma_ui.ui.overload import OverloadMiddleware
from codegemma_ui.ui.seed_field import LONGEST, SeedField
from codegemma_ui.ui.stop_field import StopField
from codegemma_ui.ui.strings import LANGUAGES, Language, text
from codegemma_ui.ui.views import lessons as lessons_view
from codegemma_ui.ui.views import quiz as quiz_view
from codegemma_ui.ui.views import race, suffix, take, words

TITLE = "CodeGemma FIM Playground"

CODE_LANGUAGES = (
    *("python", "javascript", "typescript", "c", "cpp", "html", "css", "json", "yaml"),
    *("markdown", "shell", "sql", "r", "dockerfile"),
)

STATUS_INTERVAL_S = 0.7


def build(client: EngineClient, settings: Settings) -> gr.Blocks:
    """Build the page and the API for one engine client.

    Args:
        client: started or not; the page shows its state.
        settings: the operator's settings.
    """
    gradio_setup.before_blocks()
    page = Page()
    blocks: gr.Blocks
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as blocks:
        _header(page, settings)
        _choices(page, client, settings)
        page.add("lesson", gr.HTML, labels={})
        with gr.Row(elem_id="workspace", equal_height=True):
            with gr.Column(elem_id="mine"):
                _editors(page)
                _limits(page, client, settings)
            with gr.Column(elem_id="models"):
                _middle(page)
                _panes(page)
        _advanced(page, client)
        with page.add("summary_fold", gr.Accordion, labels={"label": "summary"}, open=False):
            page.add("summary", gr.HTML, labels={}, value=render.summary(None, "en"))
        _hidden(page)
        page.add("footer", gr.HTML, labels={})
        page.add("words", gr.HTML, labels={"value": words.view}, visible="hidden")
        page.hold("timer", gr.Timer(STATUS_INTERVAL_S))
        for name in ("shown", "result", "lesson_open", "requested"):
            page.hold(name, gr.State(None))
        handlers.wire(page, client, settings)
        if settings.api:
            api.wire(client)
    # The client refuses excess requests with a message; Gradio's own limit is for what it cannot start.
    blocks.queue(max_size=1000, api_open=False, default_concurrency_limit=None)
    return blocks


def middleware(blocks: gr.Blocks, client: EngineClient) -> list[Middleware]:
    """Return the middleware in front of the queue of a page from `build`."""
    return [Middleware(OverloadMiddleware, blocks=blocks, client=client)]


def _header(page: Page, settings: Settings) -> None:
    with gr.Row(elem_id="header"):
        page.add("title", gr.HTML, labels={"value": fixed_html.header})
        page.add("status", gr.HTML, labels={})
        page.add("links", gr.HTML, labels={"value": fixed_html.links})
        page.add(
            "language_choice",
            gr.Radio,
            labels={"label": "page_language"},
            choices=[(text("language_name", language), language) for language in LANGUAGES],
            value="en",
            container=False,
            elem_classes="segmented",
        )
        page.add("theme", gr.Button, labels={"value": "theme"}, size="sm", min_width=40)
        if settings.auth:
            page.add("log_out", gr.Button, labels={"value": "log_out"}, size="sm", min_width=40)
            page.log_out.click(None, js="() => window.playground.logOut()", **AT_ONCE)
    page.add("connection", gr.HTML, labels={"value": fixed_html.connection})


def _choices(page: Page, client: EngineClient, settings: Settings) -> None:
    def backends(language: Language) -> list[tuple[str, str]]:
        return [
            (
                one.name if one.installed else text("not_installed", language, name=one.name),
                one.name,
            )
            for one in client.backends()
        ]

    def languages(language: Language) -> list[tuple[str, str]]:
        return [*((one, one) for one in CODE_LANGUAGES), (text("plain_text", language), "")]

    def examples(language: Language) -> list[tuple[str, str]]:
        return [
            (text("example_choose", language), ""),
            *((one.title(language), one.key) for one in EXAMPLES),
        ]

    with gr.Row(elem_id="choices"):
        page.add(
            "model",
            gr.Dropdown,
            labels={"label": "model"},
            choices=[(one.label, one.name) for one in client.presets()],
            value=settings.preset,
            interactive=settings.allow_switch == "everyone",
            filterable=False,
        )
        page.add(
            "backend",
            gr.Dropdown,
            labels={"label": "backend", "choices": backends},
            value=settings.backend,
            interactive=settings.allow_switch == "everyone",
            filterable=False,
        )
        page.add(
            "code_language",
            gr.Dropdown,
            labels={"label": "language", "choices": languages},
            value="python",
            filterable=False,
        )
        page.add(
            "example",
            gr.Dropdown,
            labels={"label": "example", "choices": examples},
            value="",
            filterable=False,
        )
        page.add(
            "cancel_switch",
            gr.Button,
            labels={"value": "cancel_switch"},
            visible="hidden",
            size="sm",
        )
    page.add("notices", gr.HTML, labels={})
    page.add("answer", gr.HTML, labels={})


def _editors(page: Page) -> None:
    _editor(page, "before")
    page.add(
        "ending",
        gr.Radio,
        labels={"label": "line_ending"},
        choices=["LF", "CRLF"],
        value="LF",
        container=False,
        elem_classes="segmented",
    )
    page.add("clear", gr.Button, labels={"value": "clear"}, size="sm")
    with gr.Row(elem_id="buttons"):
        page.add("complete", gr.Button, labels={"value": "complete"}, variant="primary")
        page.add(
            "stop", gr.Button, labels={"value": "stop"}, variant="secondary", interactive=False
        )
        page.add("ghost", gr.HTML, labels={"value": fixed_html.ghost_buttons})
    _editor(page, "after")
    page.add("boundaries", gr.HTML, labels={})
    page.add("paste_report", gr.Textbox, labels={"label": "paste_report"}, visible="hidden")


def _editor(page: Page, name: str, *, editable: bool = True) -> None:
    page.add(
        name,
        CodeEditor,
        labels={"label": name},
        value="",
        language="python",
        lines=1,
        interactive=editable,
        buttons=[],
    )


def _limits(page: Page, client: EngineClient, settings: Settings) -> None:
    context_length = client.status().context_length
    with gr.Row(elem_id="limits"):
        page.add(
            "max_length",
            BoundedSlider,
            labels={"label": "max_length", "info": "max_length_info"},
            minimum=fim.MIN_MAX_LENGTH,
            maximum=context_length,
            value=min(settings.max_length or fim.DEFAULT_MAX_LENGTH, context_length),
            step=1,
            buttons=[],
        )
        with gr.Column(min_width=0):
            page.add("token_sum", gr.HTML, labels={})
            with gr.Row(elem_id="switches"):
                page.add(
                    "auto_length",
                    gr.Checkbox,
                    labels={"label": "auto_length"},
                    value=settings.max_length is None,
                    container=False,
                    min_width=0,
                )
                page.add(
                    "one_line",
                    gr.Checkbox,
                    labels={"label": "one_line"},
                    container=False,
                    min_width=0,
                )
                page.add("as_i_type", gr.HTML, labels={"value": fixed_html.as_i_type})


def _middle(page: Page) -> None:
    _editor(page, "middle", editable=False)
    page.add("middle_copy", gr.HTML, labels={"value": fixed_html.middle_copy})
    page.add("outcome", gr.HTML, labels={})
    page.add("caption", gr.HTML, labels={}, value=render.caption(None, "en"))
    page.add("contrast", gr.HTML, labels={})


def _advanced(page: Page, client: EngineClient) -> None:
    def layouts(language: Language) -> list[tuple[str, str]]:
        return [(text(f"layout_{one}", language), one) for one in fim.LAYOUTS]

    with page.add("advanced", gr.Accordion, labels={"label": "advanced"}, open=False):
        with gr.Row(elem_id="sampling"):
            page.add(
                "temperature",
                BoundedSlider,
                labels={"label": "temperature", "info": "temperature_info"},
                minimum=0,
                maximum=MAX_TEMPERATURE,
                value=0,
                step=0.05,
                buttons=[],
            )
            page.add(
                "top_k",
                BoundedNumber,
                labels={"label": "top_k", "info": "top_k_info"},
                minimum=0,
                maximum=MAX_TOP_K,
                value=0,
                precision=0,
            )
            page.add(
                "top_p",
                BoundedSlider,
                labels={"label": "top_p", "info": "top_p_info"},
                minimum=0,
                maximum=1,
                value=1,
                step=0.01,
                buttons=[],
            )
            page.add(
                "seed",
                SeedField,
                labels={"label": "seed", "info": "seed_info", "placeholder": "seed_random"},
                value=None,
                max_lines=1,
                max_length=LONGEST,
            )
        with gr.Row(elem_id="stops"):
            page.add(
                "stop_strings",
                StopField,
                labels={
                    "label": "stop_strings",
                    "info": "stop_strings_info",
                    "placeholder": "stop_strings_none",
                },
                lines=1,
                max_lines=6,
                max_length=MAX_STOPS * (MAX_STOP_CHARACTERS + 1),
            )
            page.add(
                "stop_on_repetition",
                gr.Checkbox,
                labels={"label": "stop_on_repetition"},
                value=True,
            )
        with gr.Row(elem_id="shape"):
            page.add(
                "layout",
                gr.Radio,
                labels={"label": "layout", "choices": layouts},
                value="psm",
            )
            page.add(
                "precision",
                gr.Dropdown,
                labels={"label": "precision"},
                choices=list(DTYPES),
                value=client.settings.dtype,
                interactive=client.settings.allow_switch == "everyone",
                filterable=False,
            )
        with gr.Row(elem_id="project"):
            page.add(
                "path",
                gr.Textbox,
                labels={"label": "path", "info": "path_info"},
                value="",
                max_lines=1,
                max_length=MAX_PATH_CHARACTERS,
            )
            page.add(
                "files",
                ContextFiles,
                labels={"label": "files", "info": "files_info"},
                value=[],
                lines=4,
                max_lines=12,
            )


def _panes(page: Page) -> None:
    with gr.Tabs(elem_id="panes"):
        for name in ("program", "raw_prompt", "raw_output"):
            with page.add(f"{name}_tab", gr.Tab, labels={"label": name}):
                page.add(name, gr.HTML, labels={}, value=render.empty_pane(name, "en"))
        for name in ("xray", "tokens"):
            with page.add(f"{name}_tab", gr.Tab, labels={"label": f"tab_{name}"}):
                page.add(name, gr.HTML, labels={}, value=views.shell(name, "en", None))
        with page.add("race_tab", gr.Tab, labels={"label": "tab_race"}):
            page.add("race", gr.HTML, labels={}, value=race.again("en"))
            with page.add("truth_fold", gr.Accordion, labels={"label": "truth"}, open=False):
                page.add(
                    "truth",
                    gr.Textbox,
                    labels={"label": "truth_label", "info": "truth_info"},
                    lines=3,
                    max_lines=12,
                )
        with page.add("suffix_tab", gr.Tab, labels={"label": "tab_suffix"}):
            page.add("suffix", gr.HTML, labels={}, value=suffix.again("en"))
        with page.add("lessons_tab", gr.Tab, labels={"label": "tab_lessons"}):
            page.add("lessons", gr.HTML, labels={"value": lessons_view.view})
            page.add("quiz", gr.HTML, labels={}, value=quiz_view.view(None, "en"))
        with page.add("take_tab", gr.Tab, labels={"label": "tab_take"}):
            page.add("take", gr.HTML, labels={}, value=take.view("en"))


def _hidden(page: Page) -> None:
    for name in (
        *("branch_ask", "show_ask", "race_ask", "suffix_ask"),
        *("lesson_ask", "quiz_ask", "take_ask", "open_ask", "dismiss_ask", "truth_ask", "kept"),
    ):
        page.add(name, gr.Textbox, labels={"label": name}, visible="hidden")
    # Not a `gr.State`: its change event does not fire if an event outside the queue changed it (6.31).
    page.add("counts_by", gr.Textbox, labels={"label": "counts_by"}, visible="hidden")
    page.add("typed", gr.Checkbox, labels={"label": "typed"}, visible="hidden")
    page.add("fitting", gr.Number, labels={"label": "fitting"}, visible="hidden")
    page.add("recorded", gr.HTML, labels={}, visible="hidden")
