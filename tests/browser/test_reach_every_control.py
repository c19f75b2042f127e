"""Lessons, quiz, boundary check and file fields: every control has a name, can be focused, has enough
contrast."""

from __future__ import annotations

import pytest

from tests.browser.every_control import fill_the_page
from tests.browser.playground import OpenPage, Playground, Scripted

PLACES = ("#boundaries", "#lesson", "#lessons", "#quiz", "#path", "#files")

NAMELESS = """(places) => places.flatMap((place) =>
    [...document.querySelectorAll(`${place} :is(button, input, textarea, select, [tabindex], [role=img])`)]
        .filter((one) => one.checkVisibility())
        .filter((one) => {
            const label = one.labels?.[0]?.textContent ?? "";
            const name = one.getAttribute("aria-label") ?? (label.trim() || one.textContent.trim());
            return !name;
        })
        .map((one) => `${place}: ${one.outerHTML}`))"""

TWICE = """(places) => {
    const inside = places.map((place) => `${place} [id]`).join(", ");
    const ids = [...document.querySelectorAll(inside)].map((one) => one.id);
    return ids.filter((id, at) => ids.indexOf(id) !== at);
}"""

# Contrast of every text with its background: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio.
FAINT = """(places) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].map((one) => one / 255);
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((one, at) => one * a + below[at] * (1 - a));
    const ground = (one) => {
        const above = [];
        for (let at = one; at; at = at.parentElement)
            above.unshift(rgba(getComputedStyle(at).backgroundColor));
        return above.reduce((below, colour) => over(colour, below), [1, 1, 1]);
    };
    const light = (colour) => {
        const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = colour.map(linear);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const faint = [];
    for (const one of document.querySelectorAll(places.map((place) => `${place} *`).join(", "))) {
        const texts = [...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE);
        const own = texts.some((node) => node.textContent.trim());
        if (!own || !one.checkVisibility() || one.closest(":disabled, .says")) continue;
        const below = ground(one);
        const lights = [light(over(rgba(getComputedStyle(one).color), below)), light(below)];
        const ratio = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
        if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${one.outerHTML.slice(0, 120)}`);
    }
    return faint;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_control_has_a_name_and_every_text_stands_out(
    theme: str, scripted: Scripted, open_page: OpenPage
) -> None:
    playground = open_page(scripted.url, f"?__theme={theme}")
    fill_the_page(playground)
    assert playground.page.evaluate(NAMELESS, list(PLACES)) == []
    assert playground.page.evaluate(TWICE, list(PLACES)) == []
    assert playground.page.evaluate(FAINT, list(PLACES)) == []


def test_the_keyboard_reaches_every_control(playground: Playground) -> None:
    fill_the_page(playground)
    wanted = playground.page.evaluate(
        """(places) => places.flatMap((place) =>
            [...document.querySelectorAll(`${place} :is(button, input, textarea)`)]
                .filter((one) => one.checkVisibility() && !one.disabled)
                .map((one, at) => (one.dataset.reach = `${place} ${at}`)))""",
        list(PLACES),
    )
    assert len(wanted) > 20
    playground.page.locator("#language-choice input").first.focus()
    reached = set()
    for _ in range(200):
        playground.page.keyboard.press("Escape")  # out of an editor
        playground.page.keyboard.press("Tab")
        reached.add(playground.page.evaluate("document.activeElement.dataset.reach ?? ''"))
        if set(wanted) <= reached:
            break
    assert set(wanted) <= reached, set(wanted) - reached
