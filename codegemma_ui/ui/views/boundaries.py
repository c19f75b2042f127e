"""Boundary check: findings about the edges of the hole under the editors, with their places and fixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codegemma_ui.fim.boundaries import SEVERITIES, Edit, Finding, Place
from codegemma_ui.ui.strings import TABLE, Language, text
from codegemma_ui.ui.views import shell
from codegemma_ui.ui.views.xray import Places

NAME = "boundaries"

WORDS = (
    *(f"boundaries_{severity}" for severity in SEVERITIES),
    *(
        "boundaries_says",
        "boundaries_why",
        "boundaries_more",
        "boundaries_less",
        "boundaries_goto",
        "xray_place",
    ),
    *("before", "after"),
)


def view(findings: Sequence[Finding], prefix: str, suffix: str, language: Language) -> str:
    """Return the view of the findings.

    Args:
        prefix, suffix: the checked texts.
    """
    return shell(NAME, language, facts(findings, prefix, suffix, language))


def facts(
    findings: Sequence[Finding], prefix: str, suffix: str, language: Language
) -> dict[str, Any]:
    """Return what `static/boundaries.js` draws.

    Returns:
        `findings`, each with its `kind`, `severity`, `title`, `why` and the text of its `fix` (or null);
        `places` as `[side, line, column, line, column]`, counted as in the X-ray; `edits` as the same with
        the old and the new text; and `max_length`, or null.
    """
    texts = {"prefix": prefix, "suffix": suffix}
    counted = {side: Places(side_text) for side, side_text in texts.items()}

    def place(one: Place | Edit) -> list[Any]:
        where = counted[one.side]
        return [one.side, *where.of(one.start), *where.of(one.end)]

    return {
        "findings": [
            {
                "kind": finding.kind,
                "severity": finding.severity,
                "title": _string(finding, "", language),
                "why": _string(finding, "_why", language),
                "fix": _string(finding, "_fix", language) if _fixable(finding) else None,
                "places": [place(one) for one in finding.places],
                "edits": [
                    [*place(one), texts[one.side][one.start : one.end], one.text]
                    for one in finding.edits
                ],
                "max_length": finding.max_length,
            }
            for finding in findings
        ]
    }


def _fixable(finding: Finding) -> bool:
    return bool(finding.edits) or finding.max_length is not None


def _string(finding: Finding, about: str, language: Language) -> str:
    """Return the string of a finding: the one for what is kept or for its severity, if there is one."""
    name = f"check_{finding.kind}"
    for key in (f"{name}_{finding.facts.get('kept')}", f"{name}_{finding.severity}", name):
        if f"{key}{about}" in TABLE:
            return text(f"{key}{about}", language, **_values(finding))
    return ""


def _values(finding: Finding) -> Mapping[str, object]:
    return {**finding.facts, "max_length": finding.max_length}
