"""Text, choices and the last completion are restored after any reload of the page, in their own tab."""

from __future__ import annotations

import json
import re
import signal
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from codegemma_ui.errors import WorkerDied
from codegemma_ui.ui.strings import text
from tests.browser.coming_back import log_in, wait_until_shown
from tests.browser.comparisons import GAIN, RACE, gain, lane, open_view, race_starter, score
from tests.browser.flaky_network import flaky
from tests.browser.playground import SECONDS, OpenPage, Playground, Scripted
from tests.server.scripted_page import serving

PREFIX = "# 한글 😀 <img src=x onerror=alert(1)> ${x} {{x}}\nimport "
SUFFIX = "\n\nif __name__ == '__main__':\n\tsys.exit(0)  \n"
FILES = "a.py\nx = 1\n<|file_separator|>\n\nb.py"
PANES = ("program", "raw-prompt", "raw-output")
NUMBERS = {"max-length": "200", "temperature": "0.5", "top-k": "40", "seed": "7"}


def reload(playground: Playground) -> None:
    playground.page.reload()
    wait_until_shown(playground)


def number(playground: Playground, name: str) -> str:
    return playground.page.locator(f"#{name} input:not([type=range])").input_value()


def choose_settings(playground: Playground) -> None:
    page = playground.page
    playground.open_advanced()
    for name, value in NUMBERS.items():
        playground.fill_number(name, value)
    page.locator("#layout").get_by_text("SPM").click()
    page.locator("#path textarea, #path input").fill("src/한글.py")
    page.locator("#files textarea").fill(FILES)
    playground.choose("code-language", "javascript")
    page.locator("#ending").get_by_text("CRLF").click()


def settings(playground: Playground) -> dict[str, Any]:
    page = playground.page
    return {
        **{name: number(playground, name) for name in NUMBERS},
        "layout": page.locator("#layout input:checked").input_value(),
        "path": page.locator("#path textarea, #path input").input_value(),
        "files": page.locator("#files textarea").input_value(),
        "code_language": playground.choice("code-language"),
        "ending": page.locator("#ending input:checked").input_value(),
    }


def shown(playground: Playground) -> dict[str, Any]:
    """Return everything that is visible of a run."""
    seen: dict[str, Any] = {name: playground.pane(name) for name in PANES}
    seen |= {name: playground.text(name) for name in ("before", "after", "middle")}
    seen["caption"] = playground.caption.inner_text()
    playground.open_tab("xray")
    cells = playground.page.locator("#xray .cell")
    expect(cells.first).to_be_visible()
    seen["xray"] = "|".join(cells.all_text_contents())
    playground.open_tab("tokens")
    cells = playground.page.locator("#tokens .cell")
    expect(cells.first).to_be_visible()
    seen["tokens"] = "|".join(cells.all_text_contents())
    seen["branches"] = playground.page.locator("#tokens .branches button").all_inner_texts()
    return seen


@pytest.fixture
def worked(scripted: Scripted, playground: Playground) -> Playground:
    """Return a page with everything that could be lost: two texts, settings, a run and a branch of it."""
    scripted.client.middle = "sys\nimport re\n"
    wait_until_shown(playground)
    choose_settings(playground)
    playground.write("before", PREFIX)
    playground.write("after", SUFFIX)
    playground.press_complete_in("before")
    playground.wait_until_done()
    playground.open_tab("tokens")
    playground.page.locator("#tokens .cell").nth(2).click()
    with playground.a_run():
        playground.page.locator("#tokens .others button:enabled").first.click()
    expect(playground.page.locator("#tokens .branches button")).to_have_count(2)
    return playground


def expect_all_back(playground: Playground, before: dict[str, Any], chosen: dict[str, Any]) -> None:
    playground.wait_for_text("before", PREFIX)
    expect(playground.page.locator("#panes [role=tab][aria-selected=true]")).to_contain_text(
        text("tab_tokens", "en")
    )
    expect(playground.page.locator("#seed input")).to_have_value(chosen["seed"])
    assert settings(playground) == chosen
    assert shown(playground) == before
    expect(playground.answer).to_have_count(0)
    playground.wait_until_idle()


def test_all_of_it_comes_back_after_f5_and_by_back_from_another_page(
    worked: Playground, scripted: Scripted
) -> None:
    before, chosen = shown(worked), settings(worked)
    asked = len(scripted.client.requests)
    reload(worked)
    expect_all_back(worked, before, chosen)
    worked.page.goto("data:text/html,elsewhere")
    worked.page.go_back()
    wait_until_shown(worked)
    expect_all_back(worked, before, chosen)
    assert len(scripted.client.requests) == asked
    assert worked.page.locator("img[src=x]").count() == 0

    # The restored state is functional: the other branch can be shown, and the settings are sent.
    worked.page.locator("#tokens .branches button").first.click()
    worked.wait_for_text("middle", "sys\nimport re\n")
    worked.press_complete_in("before")
    worked.wait_until_done()
    again = scripted.client.requests[-1]
    assert [again[name] for name in ("prefix", "suffix", "seed", "layout")] == [
        *(PREFIX, SUFFIX, 7, "spm")
    ]


def test_the_caret_is_where_it_was_and_undo_does_not_empty_the_editor(
    playground: Playground,
) -> None:
    wait_until_shown(playground)
    playground.write("before", "one\ntwo\n")
    playground.editor("before").click()
    playground.page.keyboard.press("ControlOrMeta+Home")
    playground.page.keyboard.press("End")
    reload(playground)
    playground.wait_for_text("before", "one\ntwo\n")
    expect(playground.editor("before")).to_be_focused()
    playground.page.keyboard.press("ControlOrMeta+z")
    playground.page.keyboard.type(" more")
    playground.wait_for_text("before", "one more\ntwo\n")


def test_two_tabs_stay_apart_and_a_duplicated_one_goes_its_own_way(
    scripted: Scripted, playground: Playground
) -> None:
    wait_until_shown(playground)
    playground.write("before", "first = 1\n")
    context = playground.page.context
    second = Playground(context.new_page(), scripted.url).goto()
    assert second.text("before") == ""
    second.write("before", "second = 2\n")
    reload(playground)
    playground.wait_for_text("before", "first = 1\n")
    reload(second)
    second.wait_for_text("before", "second = 2\n")

    with context.expect_page() as opened:
        playground.page.evaluate("window.open(location.href)")
    third = Playground(opened.value, scripted.url)
    third.page.wait_for_selector("#before .cm-content[data-language]")
    third.wait_for_text("before", "first = 1\n")
    wait_until_shown(third)
    third.write("before", "third = 3\n")
    reload(playground)
    playground.wait_for_text("before", "first = 1\n")
    reload(third)
    third.wait_for_text("before", "third = 3\n")


def test_a_link_shows_what_it_holds_and_after_a_reload_what_became_of_it(
    worked: Playground, scripted: Scripted
) -> None:
    page = worked.page
    worked.open_tab("take")
    field = page.locator("#take input[readonly]")
    expect(field).to_have_value(re.compile("#run=.+"))
    address = field.input_value()
    worked.write("before", "mine = 1\n")

    page.goto("data:text/html,elsewhere")
    page.goto(address)
    wait_until_shown(worked)
    worked.wait_for_text("before", PREFIX)
    expect(worked.answer).to_contain_text("Nothing was run here")
    worked.write("before", "theirs, and mine = 2\n")
    reload(worked)
    worked.wait_for_text("before", "theirs, and mine = 2\n")
    worked.wait_for_text("middle", worked.text("middle"))
    expect(worked.answer).to_contain_text("Nothing was run here")
    assert page.url == address

    page.go_back()
    page.go_back()
    wait_until_shown(worked)
    worked.wait_for_text("before", "mine = 1\n")


def test_the_language_comes_back_where_the_address_does_not_tell_it(
    playground: Playground,
) -> None:
    wait_until_shown(playground)
    playground.page.locator("#language-choice label", has_text="한국어").click()
    expect(playground.complete_button).to_have_text("채우기")
    playground.page.evaluate("history.replaceState(null, '', location.pathname)")
    reload(playground)
    expect(playground.complete_button).to_have_text("채우기")
    expect(playground.page.get_by_role("radio", name="한국어")).to_be_checked()
    playground.goto("?lang=en")
    expect(playground.complete_button).to_have_text("Complete")


LONG = "".join(f"value_{at} = {at} * {at}  # 줄 {at}\n" for at in range(5200))


def test_a_long_program_comes_back(playground: Playground) -> None:
    assert len(LONG) > 150_000
    wait_until_shown(playground)
    playground.write("before", LONG)
    playground.write("after", LONG)
    reload(playground)
    playground.wait_for_text("before", LONG)
    playground.wait_for_text("after", LONG)


def kept(page: Page) -> dict[str, Any]:
    entries: dict[str, str] = page.evaluate("({...sessionStorage})")
    return {key: json.loads(value) for key, value in entries.items() if "kept" in key}


def leaving(playground: Playground) -> list[str]:
    """Collect the types of the browser's dialogs from now on; each is dismissed, to stay on the page."""
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    playground.page.on("dialog", stay)
    return asked


def test_a_program_of_a_million_characters_comes_back_and_nothing_is_asked(
    playground: Playground,
) -> None:
    long = LONG * 6
    assert len(long) > 1_000_000
    asked = leaving(playground)
    wait_until_shown(playground)
    playground.paste("before", long)
    playground.page.wait_for_function("document.documentElement.dataset.kept === 'yes'")
    reload(playground)
    assert asked == []
    assert playground.text("before") == long


def test_the_browser_asks_before_it_leaves_a_text_that_is_not_kept(playground: Playground) -> None:
    asked = leaving(playground)
    wait_until_shown(playground)
    playground.write("before", "short = 1\n")
    playground.page.wait_for_function("document.documentElement.dataset.kept === 'yes'")
    playground.page.evaluate("sessionStorage.setItem('another', '줄'.repeat(4_500_000))")
    playground.paste("before", LONG * 6)
    playground.page.wait_for_function("document.documentElement.dataset.kept === 'no'")
    assert not any(one.get("texts") for one in kept(playground.page).values())
    playground.page.evaluate("void setTimeout(() => location.reload())")
    playground.page.wait_for_timeout(1000)
    assert asked == ["beforeunload"]
    assert LONG * 6 in playground.text("before")

    playground.write("before", "")
    playground.page.wait_for_function("document.documentElement.dataset.kept === 'yes'")
    reload(playground)
    assert asked == ["beforeunload"]


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0, "texts": [1, {}]},
        {"texts": ["<b>", "x"], "controls": {"seed": "<b>", "max_length": [], "ending": 3}},
    ],
)
def test_what_another_version_kept_or_nobody_understands_harms_nothing(
    change: dict[str, Any], playground: Playground, scripted: Scripted
) -> None:
    wait_until_shown(playground)
    playground.write("before", "import ")
    playground.page.wait_for_function("document.documentElement.dataset.kept === 'yes'")
    playground.page.add_init_script(
        f"""for (const [key, value] of Object.entries(sessionStorage)) if (key.includes("kept"))
            sessionStorage.setItem(key, JSON.stringify({{...JSON.parse(value), ...{json.dumps(change)}}}));"""
    )
    reload(playground)
    assert playground.text("before") == ("<b>" if "controls" in change else "")
    assert number(playground, "max-length") == "128"
    playground.press_complete_in("before")
    playground.wait_until_done()


FORBIDDEN = """for (const name of ["sessionStorage", "localStorage"]) Object.defineProperty(window, name, {
    get() { throw new DOMException("The document is sandboxed.", "SecurityError"); },
});"""
FULL = """Storage.prototype.setItem = () => {
    throw new DOMException("The quota has been exceeded.", "QuotaExceededError");
};"""


@pytest.mark.parametrize("storage", [FORBIDDEN, FULL], ids=["forbidden", "full"])
def test_the_page_works_where_nothing_can_be_stored(
    storage: str, scripted: Scripted, playground: Playground
) -> None:
    playground.page.add_init_script(storage)
    reload(playground)
    playground.write("before", "import ")
    playground.page.locator("#theme").click()
    expect(playground.page.locator("body")).to_have_class(re.compile("dark"))
    playground.press_complete_in("before")
    playground.wait_until_done()
    assert playground.text("middle") == scripted.client.middle
    expect(playground.page.locator("html")).to_have_attribute("data-kept", "no")
    reload(playground)
    assert playground.text("before") == ""


def test_a_syllable_that_is_being_composed_is_kept_and_not_disturbed(
    playground: Playground,
) -> None:
    wait_until_shown(playground)
    playground.write("before", "# ")
    playground.editor("before").click()
    playground.page.keyboard.press("ControlOrMeta+End")
    keys = playground.page.context.new_cdp_session(playground.page)
    for syllable in ("ㅎ", "하", "한"):
        keys.send(
            "Input.imeSetComposition", {"text": syllable, "selectionStart": 1, "selectionEnd": 1}
        )
        playground.page.wait_for_timeout(600)  # longer than the page waits before it stores
    keys.send("Input.insertText", {"text": "한"})
    keys.send("Input.imeSetComposition", {"text": "그", "selectionStart": 1, "selectionEnd": 1})
    playground.wait_for_text("before", "# 한그")
    reload(playground)
    playground.wait_for_text("before", "# 한그")


def begin(playground: Playground, scripted: Scripted) -> str:
    """Start a slow completion; return the text generated so far once there is some."""
    scripted.client.pause_s = 0.4
    wait_until_shown(playground)
    playground.write("before", PREFIX)
    playground.write("after", SUFFIX)
    playground.press_complete_in("before")
    expect(playground.editor("middle")).to_contain_text("import")
    return playground.text("middle")


def expect_cut(playground: Playground, scripted: Scripted, written: str, language: Any) -> None:
    outcome = playground.page.locator("#outcome .notice")
    expect(outcome).to_contain_text(text("cut", language), timeout=20 * SECONDS)
    assert playground.text("before") == PREFIX
    middle = playground.text("middle")
    assert middle.startswith(written)
    assert scripted.client.middle.startswith(middle)
    assert playground.pane("program") == PREFIX + middle + SUFFIX
    assert playground.pane("raw-output") == middle
    assert "<|fim_prefix|>" in playground.pane("raw-prompt")
    expect(playground.caption).to_contain_text(text("stop_cut", language))
    playground.wait_until_idle()
    assert scripted.client.ended == len(scripted.client.requests)


def test_a_completion_that_a_reload_cut_off_is_kept_says_so_and_can_go_on(
    playground: Playground, scripted: Scripted
) -> None:
    written = begin(playground, scripted)
    reload(playground)
    expect_cut(playground, scripted, written, "en")
    reload(playground)
    expect_cut(playground, scripted, written, "en")
    scripted.client.pause_s = 0.01
    middle = playground.text("middle")
    playground.page.get_by_role("button", name=text("cut_write_on", "en")).click()
    playground.wait_until_done()
    assert scripted.client.requests[-1]["forced"] == middle
    assert playground.text("middle") == scripted.client.middle
    expect(playground.answer).to_have_count(0)
    reload(playground)
    playground.wait_for_text("middle", scripted.client.middle)
    expect(playground.answer).to_have_count(0)


def test_one_reset_connection_cuts_a_completion_off_and_loses_nothing(
    scripted: Scripted, open_page: OpenPage
) -> None:
    with flaky(scripted.url) as network:
        playground = open_page(network.url, "?lang=ko")
        written = begin(playground, scripted)
        with playground.page.expect_navigation(timeout=20 * SECONDS):  # Gradio's own reload
            assert network.reset("/queue/data") == 1
        wait_until_shown(playground)
        expect_cut(playground, scripted, written, "ko")


def test_what_is_typed_while_the_server_is_lost_comes_back_when_it_does(
    scripted: Scripted, open_page: OpenPage
) -> None:
    with flaky(scripted.url) as network:
        playground = open_page(network.url)
        wait_until_shown(playground)
        playground.write("before", "first = 1\n")
        banner = playground.page.locator("#connection")
        expect(banner).to_be_hidden()
        network.down = True
        network.reset()
        expect(banner).to_contain_text(text("lost_kept", "en"))
        expect(banner).not_to_contain_text(text("lost_unkept", "en"), use_inner_text=True)
        expect(playground.page.locator(".toast-body")).to_be_hidden()
        expect(playground.status).to_be_hidden()
        playground.write("after", "second = 2\n")
        playground.fill_number("max-length", "96")
        playground.page.locator("#ending").get_by_text("CRLF").click()
        with playground.page.expect_navigation(timeout=20 * SECONDS):
            network.down = False
        wait_until_shown(playground)
        playground.wait_for_text("after", "second = 2\n")
        assert playground.text("before") == "first = 1\n"
        expect(playground.page.locator("#max-length input[type=number]")).to_have_value("96")
        expect(playground.page.get_by_role("radio", name="CRLF")).to_be_checked()
        expect(banner).to_be_hidden()


def test_a_silent_server_is_told_and_nothing_is_lost_when_it_speaks_again(
    open_page: OpenPage,
) -> None:
    with serving() as served:
        playground = open_page(f"{served.url}/")
        playground.wait_until_ready()
        playground.page.evaluate("performance.setResourceTimingBufferSize(1)")  # as after a while
        playground.write("before", "hello")
        banner = playground.page.locator("#connection strong")
        playground.page.wait_for_timeout(3000)
        expect(banner).to_be_hidden()
        served.process.send_signal(signal.SIGSTOP)
        try:
            expect(banner).to_have_text(text("lost", "en"), timeout=5 * SECONDS)
            expect(banner).to_be_visible(timeout=5 * SECONDS)
            expect(playground.complete_button).to_have_attribute("aria-disabled", "true")
            playground.write("after", "# typed in the silence\n")
        finally:
            served.process.send_signal(signal.SIGCONT)
        expect(banner).to_be_hidden()
        expect(playground.complete_button).to_have_attribute("aria-disabled", "false")
        playground.press_complete_in("before")
        playground.wait_until_done()
        assert playground.text("middle") == "hello"
        assert playground.text("after") == "# typed in the silence\n"


def test_a_press_of_complete_while_the_server_is_lost_is_answered(
    scripted: Scripted, open_page: OpenPage
) -> None:
    with flaky(scripted.url) as network:
        playground = open_page(network.url)
        wait_until_shown(playground)
        playground.write("before", "import ")
        network.down = True
        network.reset()
        banner = playground.page.locator("#connection")
        unsent = banner.locator(".lost-unsent")
        expect(banner).to_contain_text(text("lost_kept", "en"))
        expect(unsent).to_be_hidden()
        playground.press_complete_in("before")
        expect(unsent).to_have_text(text("lost_unsent", "en"))
        expect(unsent).to_be_visible()
        with playground.page.expect_navigation(timeout=20 * SECONDS):
            network.down = False
        wait_until_shown(playground)
        expect(unsent).to_be_visible()  # it was lost with the page, and is still reported
        expect(banner.locator("strong")).to_be_hidden()
        assert not scripted.client.requests
        playground.press_complete_in("before")
        playground.wait_until_done()
        expect(banner).to_be_hidden()
        assert playground.text("middle") == scripted.client.middle


def test_a_press_of_complete_that_finds_the_server_lost_is_answered(
    scripted: Scripted, playground: Playground
) -> None:
    wait_until_shown(playground)
    playground.write("before", "import ")
    playground.page.wait_for_timeout(500)  # its tokens are counted
    playground.page.route("**/queue/join*", lambda route: route.abort())
    unsent = playground.page.locator("#connection .lost-unsent")
    with playground.page.expect_navigation(timeout=20 * SECONDS):
        playground.press_complete_in("before")
        expect(unsent).to_be_visible()
    wait_until_shown(playground)
    expect(unsent).to_be_visible()
    playground.page.unroute("**/queue/join*")
    reload(playground)
    expect(unsent).to_be_visible()
    playground.press_complete_in("before")
    playground.wait_until_done()
    expect(unsent).to_be_hidden()
    reload(playground)
    expect(unsent).to_be_hidden()


def test_a_restart_of_a_private_server_asks_for_the_login_and_loses_nothing(
    browser: Browser,
) -> None:
    page = browser.new_context().new_page()
    with serving(CODEGEMMA_UI_AUTH="ann:hush-hush") as served:
        page.goto(served.url)
        log_in(page)
        playground = Playground(page, f"{served.url}/")
        wait_until_shown(playground)
        playground.wait_until_ready()
        playground.write("before", "hello")
        with playground.a_run():  # the caption may still be that of the recorded completion
            playground.press_complete()
    expect(page.locator("#connection")).to_contain_text(text("lost_kept", "en"))
    playground.write("after", "# typed while nobody answered\n")
    port = urlsplit(served.url).port
    assert port
    with serving(CODEGEMMA_UI_AUTH="ann:hush-hush", port=port):
        expect(page.locator("input[type=password]")).to_be_visible(timeout=30 * SECONDS)
        log_in(page)
        wait_until_shown(playground)
        playground.wait_for_text("before", "hello")
        playground.wait_for_text("after", "# typed while nobody answered\n")
        playground.wait_for_text("middle", "hello")
        assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "reload"
        page.context.close()


def test_who_logs_out_leaves_nothing_in_the_tab(browser: Browser) -> None:
    page = browser.new_context().new_page()
    with serving(CODEGEMMA_UI_AUTH="ann:hush-hush") as served:
        page.goto(served.url)
        log_in(page)
        playground = Playground(page, f"{served.url}/")
        wait_until_shown(playground)
        playground.write("before", "a secret")
        page.get_by_role("button", name="Log out").click()
        expect(page.locator("input[type=password]")).to_be_visible()
        assert page.evaluate("JSON.stringify(sessionStorage)") == "{}"
        log_in(page)
        wait_until_shown(playground)
        assert "a secret" not in playground.text("before")
        page.context.close()


def test_a_failed_completion_comes_back_with_its_error(
    playground: Playground, scripted: Scripted
) -> None:
    wait_until_shown(playground)
    scripted.client.failure = WorkerDied("It <b>died</b>.", "Try again.")
    playground.write("before", "import ")
    playground.press_complete_in("before")
    error = playground.page.locator("#outcome .notice.error")
    expect(error).to_contain_text("It <b>died</b>.")
    said, middle = error.inner_text(), playground.text("middle")
    reload(playground)
    playground.wait_for_text("middle", middle)
    expect(error).to_have_text(re.compile("It <b>died</b>"))
    assert error.inner_text() == said


def test_an_open_lesson_and_a_hidden_part_come_back(playground: Playground) -> None:
    wait_until_shown(playground)
    playground.open_tab("lessons")
    playground.page.locator("[data-lesson]").nth(1).click()
    title = playground.page.locator("#lesson h2")
    expect(title).to_contain_text("2")
    said, program = title.inner_text(), playground.text("before")
    reload(playground)
    expect(title).to_have_text(said)
    assert playground.text("before") == program

    playground.write("before", "a = 1\n")
    playground.write("after", "")
    playground.editor("before").dblclick()
    playground.page.keyboard.press("ControlOrMeta+a")
    playground.open_tab("lessons")
    playground.page.locator("#quiz .punch").click()
    playground.wait_for_text("before", "")
    playground.page.locator("#quiz-guess").fill("b = 2")
    reload(playground)
    expect(playground.page.locator("#quiz-guess")).to_have_value("b = 2")
    playground.page.locator("#quiz .put-back").click()
    playground.wait_for_text("before", "a = 1\n")


def test_comparisons_come_back_and_a_race_that_was_cut_off_says_so(
    playground: Playground, scripted: Scripted
) -> None:
    scripted.client.middle = "sys\nimport re\n"
    wait_until_shown(playground)
    playground.write("before", "import ")
    playground.write("after", "\nsys.exit(0)")
    playground.press_complete_in("before")
    playground.wait_until_done()
    open_view(playground, GAIN)
    score(playground)
    reading = gain(playground).locator(".reading").inner_text()
    open_view(playground, RACE)
    scripted.client.pause_s = 0.3
    race_starter(playground).click()
    expect(lane(playground, "psm")).to_have_class("lane done")
    scripted.client.pause_s = 30  # the second lane stalls
    playground.page.wait_for_timeout(400)
    written = lane(playground, "spm").locator("pre").text_content() or ""
    assert written != scripted.client.middle
    reload(playground)
    expect(lane(playground, "psm").locator("pre")).to_have_text(scripted.client.middle)
    expect(lane(playground, "spm").locator(".lane-state")).to_have_text(text("stop_cut", "en"))
    expect(lane(playground, "spm").locator("pre")).to_have_text(written)
    expect(lane(playground, "ltr").locator(".lane-state")).to_have_text(text("race_idle", "en"))
    open_view(playground, GAIN)
    expect(gain(playground).locator(".reading")).to_have_text(reading)
