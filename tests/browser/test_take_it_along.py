"""Export of a completion: as a link that replays without a model, as a file, as code; and invalid ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Locator, expect

from codegemma_ui import presets
from codegemma_ui.completions import recording, snippets
from codegemma_ui.completions.recording import Recording
from codegemma_ui.completions.snippets import Taken
from codegemma_ui.ipc.messages import Event, parse_request
from codegemma_ui.ui.strings import text
from tests.browser.playground import OpenPage, Playground, Scripted
from tests.support.events import done_of, tokens_of

PREFIX = "# 한글 😀 \"quotes\" 'and' \\ $HOME\nimport "
SUFFIX = "\n\nif __name__ == '__main__':\n\tsys.exit(0)  # <b>bold</b>\n"
MIDDLE = "sys\nimport re\n"
PANES = ("program", "raw-prompt", "raw-output")


def open_take(playground: Playground) -> None:
    playground.open_tab("take")
    expect(playground.page.locator("#take .says")).to_be_visible()


def link_field(playground: Playground) -> Locator:
    return playground.page.locator("#take input[readonly]")


def link(playground: Playground) -> str:
    open_take(playground)
    expect(link_field(playground)).to_have_value(re.compile("#run=.+"))
    return link_field(playground).input_value()


def packed(content: bytes) -> str:
    """Return a fragment as the page packs it."""
    packing = zlib.compressobj(wbits=-15)
    deflated = packing.compress(content) + packing.flush()
    return "#run=" + base64.urlsafe_b64encode(deflated).decode().rstrip("=")


def fragment_of(value: Any) -> str:
    return packed(json.dumps(value).encode())


def recorded_in(address: str) -> dict[str, Any]:
    fragment = address.partition("#run=")[2]
    padded = fragment + "=" * (-len(fragment) % 4)
    return json.loads(zlib.decompress(base64.urlsafe_b64decode(padded), wbits=-15))


def number(playground: Playground, name: str) -> str:
    return playground.page.locator(f"#{name} input:not([type=range])").input_value()


def shown(playground: Playground) -> dict[str, str]:
    """Return everything that is visible of a completion."""
    seen = {name: playground.pane(name) for name in PANES}
    seen["middle"] = playground.text("middle")
    seen["caption"] = playground.caption.inner_text()
    playground.open_tab("tokens")
    cells = playground.page.locator("#tokens .cell")
    expect(cells.first).to_be_visible()
    seen["tokens"] = "|".join(cells.all_text_contents())
    cells.nth(2).click()
    seen["others"] = playground.page.locator("#tokens .others").inner_text()
    return seen


@pytest.fixture
def completed(scripted: Scripted, playground: Playground) -> Playground:
    """Return a page with a completion in view, whose settings are not the defaults."""
    scripted.client.middle = MIDDLE
    playground.page.wait_for_selector(
        "section[data-view=recorded]", state="attached"
    )  # it has settled
    playground.open_advanced()
    playground.fill_number("temperature", "0.5")
    playground.fill_number("seed", "7")
    playground.fill_number("max-length", "200")
    playground.page.locator("#layout").get_by_text("SPM").click()
    playground.choose("code-language", "javascript")
    playground.write("before", PREFIX)
    playground.write("after", SUFFIX)
    playground.page.locator("#ending").get_by_text("CRLF").click()
    playground.press_complete_in("before")
    playground.wait_until_done()
    asked = scripted.client.requests[-1]
    assert [asked[name] for name in ("temperature", "seed", "max_length", "layout")] == [
        *(0.5, 7, 200, "spm")
    ]
    return playground


def expect_the_same(other: Playground, first: Playground) -> None:
    """Check that the second page contains and shows the same as the first."""
    other.wait_for_text("before", PREFIX)
    other.wait_for_text("after", SUFFIX)
    for name, value in (("temperature", "0.5"), ("seed", "7"), ("max-length", "200")):
        expect(other.page.locator(f"#{name} input:not([type=range])")).to_have_value(value)
    expect(other.page.get_by_role("radio", name=re.compile("^SPM"))).to_be_checked()
    expect(other.page.get_by_role("radio", name="CRLF")).to_be_checked()
    assert other.choice("code-language") == "javascript"
    assert shown(other) == shown(first)


def test_a_link_replays_the_completion_in_another_browser(
    completed: Playground, scripted: Scripted, open_page: OpenPage
) -> None:
    address = link(completed)
    assert len(address.partition("#")[2]) < 5000
    asked = len(scripted.client.requests)
    other = open_page(scripted.url, address.removeprefix(scripted.url))
    expect(other.answer).to_contain_text("Nothing was run here")
    expect(other.answer).to_contain_text("tensorflow · float32")
    expect_the_same(other, completed)
    other.wait_until_idle()
    assert len(scripted.client.requests) == asked


@pytest.mark.parametrize("state", ["loading", "failed"])
def test_a_link_replays_while_no_model_is_there(
    state: str, completed: Playground, scripted: Scripted, open_page: OpenPage
) -> None:
    address = link(completed)
    scripted.client.be_loading()
    if state == "failed":
        error = {"code": "load_failed", "message": "It could not be loaded.", "hint": ""}
        scripted.client.be(state="failed", switching_to=None, phase=None, error=error)
    other = open_page(scripted.url, address.removeprefix(scripted.url))
    expect(other.page.locator("#outcome .notice")).to_contain_text("Nothing was run")
    expect_the_same(other, completed)


def test_a_link_can_be_opened_in_a_page_that_is_open_and_reads_korean(
    completed: Playground, scripted: Scripted, open_page: OpenPage
) -> None:
    other = open_page(scripted.url, locale="ko-KR")
    expect(other.status).to_contain_text("준비됨")
    other.page.evaluate("(hash) => (location.hash = hash)", link(completed).partition("#")[2])
    expect(other.answer).to_contain_text("여기서는 아무것도 실행하지 않았습니다")
    other.wait_for_text("before", PREFIX)
    assert other.text("middle") == MIDDLE


def test_the_address_is_left_when_another_completion_is_in_view(
    completed: Playground, scripted: Scripted, open_page: OpenPage
) -> None:
    address = link(completed)
    other = open_page(scripted.url, address.removeprefix(scripted.url))
    other.wait_for_text("before", PREFIX)
    expect(other.answer).to_be_visible()
    assert "#run=" in other.page.url
    other.press_complete_in("before")
    other.page.wait_for_function("() => !location.hash")
    other.wait_until_done()
    assert other.page.url == scripted.url


@pytest.fixture
def good(scripted: Scripted) -> dict[str, Any]:
    """Return a completion of the scripted engine, as its page would record it."""
    scripted.client.middle, scripted.client.pause_s = MIDDLE, 0
    raw = {"prefix": PREFIX, "suffix": SUFFIX}
    request = parse_request(raw, 512)

    async def events() -> list[Event]:
        return [event async for event in scripted.client.complete(raw)]

    with ThreadPoolExecutor(1) as thread:  # in this one Playwright has a loop running
        told = thread.submit(lambda: asyncio.run(events())).result()
    prompt = scripted.client.vocabulary().prompt(PREFIX, SUFFIX, request.max_length)
    return Recording(request, "LF", prompt, tuple(tokens_of(told)), done_of(told)).to_dict()


BROKEN = {
    "cut off": lambda good: fragment_of(good)[:-40],
    "not base64": lambda good: "#run=%%%",
    "empty": lambda good: "#run=",
    "other bytes": lambda good: "#run=AAAAAAAA",
    "not JSON": lambda good: packed(b"{version"),
    "no text": lambda good: packed(b'"\xff"'),
}

FOREIGN = {
    "another mark": lambda good: "#section-2",
    "JSON of something else": lambda good: fragment_of({"hello": [1, 2, 3]}),
    "a list": lambda good: fragment_of([]),
    "null": lambda good: fragment_of(None),
    "another version": lambda good: fragment_of({**good, "version": 2}),
    "a wrong token": lambda good: fragment_of({**good, "tokens": [[1, 2, 3]]}),
    "deep": lambda good: fragment_of({**good, "request": json.loads("[" * 900 + "]" * 900)}),
}


@pytest.mark.parametrize("name", [*BROKEN, *FOREIGN])
def test_what_is_no_completion_says_so_and_harms_nothing(
    name: str, good: dict[str, Any], scripted: Scripted, open_page: OpenPage
) -> None:
    other = open_page(scripted.url, (BROKEN | FOREIGN)[name](good))
    expected = text("open_broken" if name in BROKEN else "open_foreign", "en")
    expect(other.page.locator("#outcome .notice")).to_have_text(expected)
    assert other.text("before") == ""
    other.write("before", "import ")
    other.press_complete()
    other.wait_until_done()
    assert other.text("middle") == MIDDLE


UNSHOWABLE = {
    "open_half_character": lambda good: {
        **good,
        "request": {**good["request"], "prefix": "\ud83d"},
    },
    "open_stop_reason": lambda good: {**good, "last": {**good["last"], "stop_reason": "tired"}},
}


@pytest.mark.parametrize("key", UNSHOWABLE)
def test_what_cannot_be_shown_says_why(
    key: str, good: dict[str, Any], scripted: Scripted, open_page: OpenPage
) -> None:
    other = open_page(scripted.url, fragment_of(UNSHOWABLE[key](good)))
    expect(other.page.locator("#outcome .notice")).to_have_text(text(key, "en"))


def renderers_peak_mb() -> float:
    """Return the highest peak memory of a renderer process of this test's browser."""
    peaks = [0.0]
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(OSError):
            place = Path(f"/proc/{process.pid}")
            if b"--type=renderer" in (place / "cmdline").read_bytes():
                status = (place / "status").read_text().partition("VmHWM:")[2]
                peaks.append(int(status.split()[0]) / 1024)
    return max(peaks)


def test_a_link_that_unpacks_to_a_gigabyte_takes_no_memory(
    scripted: Scripted, open_page: OpenPage
) -> None:
    packing = zlib.compressobj(9, wbits=-15)
    block = packing.compress(b"x" * 10**7) + packing.flush(zlib.Z_FULL_FLUSH)
    fragment = "#run=" + base64.urlsafe_b64encode(block * 100).decode().rstrip("=")
    assert len(fragment) > 1_290_000
    other = open_page(scripted.url, fragment)
    expect(other.page.locator("#outcome .notice")).to_have_text(text("open_too_large", "en"))
    assert renderers_peak_mb() < 600


def test_the_longest_link_that_may_be_opened_is_unpacked_whole(
    scripted: Scripted, open_page: OpenPage
) -> None:
    """Many chunks in, many chunks out: the content is read to its end, and rejected as not a completion."""
    drawn = random.Random(0).randbytes(1_000_000).hex()
    for damaged, key in ((False, "open_foreign"), (True, "open_broken")):
        other = open_page(scripted.url, packed(f'["{drawn}"{"" if damaged else "]"}'.encode()))
        expect(other.page.locator("#outcome .notice")).to_have_text(text(key, "en"))


def test_what_unpacks_without_end_is_not_unpacked(scripted: Scripted, open_page: OpenPage) -> None:
    fragment = fragment_of("x" * 20_000_000)
    assert len(fragment) < 30_000
    other = open_page(scripted.url, fragment)
    expect(other.page.locator("#outcome .notice")).to_have_text(text("open_too_large", "en"))


def test_markup_and_code_of_a_strangers_stay_text(
    good: dict[str, Any], scripted: Scripted, open_page: OpenPage
) -> None:
    hostile = "<img src=x onerror=alert(1)>${alert(1)}{{x}}</script>`"
    good["last"] |= {"preset": hostile, "dtype": hostile, "backend": hostile}
    good["request"]["prefix"] = hostile
    good["code_language"] = hostile
    other = open_page(scripted.url, fragment_of(good))
    other.wait_for_text("before", hostile)
    expect(other.page.locator("#outcome .notice")).to_contain_text(hostile)
    assert other.choice("code-language") == "python"
    open_take(other)
    expect(other.page.locator("#take .script")).to_contain_text(f"written by {hostile}")
    expect(other.page.locator("#take pre")).to_have_count(0)
    assert other.page.locator("img[src=x]").count() == 0


def test_a_completion_too_long_for_a_link_says_so_and_offers_the_file(
    scripted: Scripted, playground: Playground, tmp_path: Path
) -> None:
    noise = "".join(chr(0xAC00 + (7919 * index) % 11_000) for index in range(16_000))
    playground.write("before", noise)
    playground.press_complete()
    playground.wait_until_done()
    open_take(playground)
    long = playground.page.locator("#take .long")
    expect(long).to_contain_text("at most 30,000 work everywhere")
    expect(link_field(playground)).to_have_count(0)
    with playground.page.expect_download() as downloaded:
        playground.page.locator("#take .long + button").click()
    downloaded.value.save_as(tmp_path / "long.json")
    assert json.loads((tmp_path / "long.json").read_text())["request"]["prefix"] == noise


def download(playground: Playground, to: Path) -> Recording:
    with playground.page.expect_download() as downloaded:
        playground.page.locator("#take").get_by_role("button", name="Download JSON").click()
    assert downloaded.value.suggested_filename == "fim-completion.json"
    downloaded.value.save_as(to)
    return recording.from_dict(json.loads(to.read_text(encoding="utf-8")))


def choose_file(playground: Playground, file: Path) -> None:
    open_take(playground)
    with playground.page.expect_file_chooser() as chooser:
        playground.page.locator("#take").get_by_role("button", name="Open a file").click()
    chooser.value.set_files(file)


def test_a_file_is_downloaded_and_opened_again(
    completed: Playground, scripted: Scripted, open_page: OpenPage, tmp_path: Path
) -> None:
    file = tmp_path / "completion.json"
    open_take(completed)
    recorded = download(completed, file)
    assert (recorded.request.prefix, recorded.last.middle) == (PREFIX, MIDDLE)
    assert recorded.request.seed == 7
    other = open_page(scripted.url)
    sent: list[str] = []
    other.page.on("request", lambda request: sent.append(request.url))
    choose_file(other, file)
    expect(other.answer).to_contain_text("Nothing was run")
    expect_the_same(other, completed)
    assert not any("upload" in url for url in sent)


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"\x00\xff\x00", "open_broken"),
        (b"{}", "open_foreign"),
        (b'"' + b"x" * 5_000_000 + b'"', "open_too_large"),
    ],
)
def test_a_file_that_is_no_completion_says_so(
    content: bytes, key: str, completed: Playground, tmp_path: Path
) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    choose_file(completed, file)
    expect(completed.page.locator("#outcome .notice")).to_have_text(text(key, "en"))
    assert completed.text("before") == PREFIX
    program = PREFIX + MIDDLE + SUFFIX
    assert completed.pane("program").replace("\r\n", "\n") == program


def test_nothing_is_opened_while_a_completion_is_written(
    completed: Playground, scripted: Scripted, tmp_path: Path
) -> None:
    file = tmp_path / "completion.json"
    open_take(completed)
    download(completed, file)
    scripted.client.pause_s = 3  # not over before the file is chosen, on a slow machine too
    completed.press_complete_in("before")
    expect(completed.stop_button).to_be_enabled()
    choose_file(completed, file)
    expect(completed.page.locator("#outcome .notice")).to_have_text(text("open_busy", "en"))
    scripted.client.pause_s = 0.02
    completed.wait_until_done()


def test_the_code_of_the_completion_in_view(completed: Playground, scripted: Scripted) -> None:
    open_take(completed)
    pane = completed.page.locator("#take .script .pane pre")
    expect(pane).to_contain_text("keras_nlp")
    recorded = recording.from_dict(recorded_in(link(completed)))
    address = scripted.url.rstrip("/")
    written = snippets.write(Taken.of(recorded, presets.bundled()), address)
    assert len(written) == 4
    for snippet in written:
        name = snippets.TOOLS[snippet.tool]
        choice = completed.page.locator("#take .choices").get_by_role(
            "button", name=name, exact=True
        )
        choice.click()
        expect(choice).to_have_attribute("aria-pressed", "true")
        assert pane.evaluate("(pre) => pre.textContent") == snippet.text
        commands = completed.page.locator("#take .commands")
        if snippet.prepare:
            assert commands.evaluate("(one) => one.textContent") == "\n".join(snippet.prepare)
        notes = completed.page.locator("#take .notes li")
        assert notes.all_text_contents() == [
            text(f"take_note_{note}", "en") for note in snippet.notes
        ]
    with completed.page.expect_download() as downloaded:
        completed.page.locator("#take .pane [data-download]").click()
    assert downloaded.value.suggested_filename == "fim_curl.sh"
    completed.page.locator("#take .pane [data-copy]").click()
    expect(completed.page.locator("#take .pane [data-copy]")).to_have_text("Copied")
    assert completed.page.evaluate("() => navigator.clipboard.readText()") == written[-1].text


def test_the_link_is_copied(completed: Playground) -> None:
    address = link(completed)
    completed.page.get_by_role("button", name="Copy link").click()
    expect(completed.page.get_by_role("button", name="Copied", exact=True)).to_be_visible()
    assert completed.page.evaluate("() => navigator.clipboard.readText()") == address


def test_the_view_follows_the_completion_in_view(completed: Playground, scripted: Scripted) -> None:
    first = link(completed)
    completed.page.locator("#take .choices").get_by_role("button", name="llama.cpp").click()
    scripted.client.middle = "os\n"
    completed.press_complete_in("before")
    completed.wait_until_done()
    expect(link_field(completed)).not_to_have_value(first)
    second = link(completed)
    assert recording.from_dict(recorded_in(second)).last.middle == "os\n"
    expect(completed.page.locator("#take .script pre").last).to_contain_text("llama-server")


def test_the_view_speaks_korean_and_keeps_the_completion(completed: Playground) -> None:
    address = link(completed)
    completed.page.locator("#language-choice label", has_text="한국어").click()
    expect(completed.page.locator("#take .says")).to_contain_text("내보냅니다")
    expect(completed.page.locator("#take .script pre").last).to_contain_text("keras_nlp")
    expect(completed.page.locator("#take .notes")).to_contain_text("온도가 0보다 커서")
    assert recorded_in(link(completed)) == recorded_in(address)


def test_a_failed_completion_cannot_be_taken(completed: Playground, scripted: Scripted) -> None:
    from codegemma_ui.errors import WorkerDied

    open_take(completed)
    scripted.client.failure = WorkerDied("It died.", "Try again.")
    completed.press_complete_in("before")
    expect(completed.page.locator("#outcome .notice.error")).to_be_visible()
    expect(completed.page.locator("#take .nothing")).to_be_visible()
    expect(link_field(completed)).to_have_count(0)
