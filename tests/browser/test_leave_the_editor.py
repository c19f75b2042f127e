"""Esc, then Tab, leaves an editor; a Tab without Esc indents."""

from tests.browser.playground import Playground


def focused(playground: Playground) -> str | None:
    found = playground.page.evaluate(
        "document.activeElement.closest('#before, #after, #ending, #middle')?.id ?? null"
    )
    return None if found is None else str(found)


def test_escape_then_tab_moves_the_focus_on(playground: Playground) -> None:
    playground.write("before", "x")
    playground.page.keyboard.press("Tab")
    assert focused(playground) == "before"
    playground.page.keyboard.press("Escape")
    playground.page.keyboard.press("Tab")
    assert focused(playground) != "before"
    assert playground.text("before") == "x   "


def test_escape_then_shift_tab_moves_the_focus_back(playground: Playground) -> None:
    playground.write("after", "x")
    playground.page.keyboard.press("Escape")
    playground.page.keyboard.press("Shift+Tab")
    assert focused(playground) != "after"
    assert playground.text("after") == "x"
