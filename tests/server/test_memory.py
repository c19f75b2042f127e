"""The longest texts, in every field that accepts one, use a bounded amount of the page's memory."""

from __future__ import annotations

from tools.fuzz import memory


def test_the_longest_texts_of_every_kind_do_not_fill_the_memory() -> None:
    with memory.a_page() as page:
        sent, figures = memory.fill_at_once(page, 3)
    assert [each for one in sent for each in one.failed] == []
    assert [str(figure) for figure in figures if not figure.holds] == []
    assert all(one.statuses.total() == 3 for one in sent)
    assert len(sent) > 50
