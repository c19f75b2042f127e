"""Parts common to the Python scripts: token names, the two sides, the prompt, the program."""

from __future__ import annotations

from codegemma_ui import fim
from codegemma_ui.completions.snippets.quoting import WIDTH, comment, python_ids, python_text
from codegemma_ui.completions.snippets.taken import REASONS, Taken, Tool

NAMES = {
    fim.FIM_PREFIX: "BEFORE_CURSOR",
    fim.FIM_SUFFIX: "AFTER_CURSOR",
    fim.FIM_MIDDLE: "AT_CURSOR",
    fim.FILE_SEPARATOR: "FILE_SEPARATOR",
}
"""Names of the control tokens in Google's quickstart."""

CUT_AT_STOP = (
    "middle_ids = list(takewhile(lambda token_id: token_id not in stop_token_ids, new_ids))"
)


def token_names() -> str:
    """Assign the control tokens to the quickstart's names."""
    return "\n".join(f'{name} = "{token}"' for token, name in NAMES.items())


def sides(taken: Taken) -> str:
    """Assign `before` and `after`, and what the prompt had no room for."""
    lines = []
    if taken.unread_before:
        mark = taken.unread_before == fim.BYTE_ORDER_MARK
        why = (
            "It is not part of the text that the model reads"
            if mark
            else "The prompt has no room for this"
        )
        lines += [f"# {why}, but it belongs to the program."]
        lines += [f"unread_before = {python_text(taken.unread_before)}"]
    lines += [f"before = {python_text(taken.before)}", f"after = {python_text(taken.after)}"]
    if taken.unread_after:
        lines += ["# The prompt has no room for this, but it belongs to the program."]
        lines += [f"unread_after = {python_text(taken.unread_after)}"]
    return "\n".join(lines)


def prompt(taken: Taken, tool: Tool) -> str:
    """Assign `prompt` as text, and `begins` if the middle begins with a given text; or `prompt_ids`."""
    reason = taken.reason(tool)
    if reason is not None:
        lines = [comment(f"{REASONS[reason]} So the prompt is given as token ids.")]
        lines += [f"prompt_ids = {python_ids(taken.prompt.token_ids)}"]
        if taken.forced:
            lines += [f"begins_ids = {python_ids(taken.forced)}"]
        return "\n".join(lines)
    lines, terms = [], []
    files = 0
    for part in taken.prompt.segments:
        if part.role == "control":
            terms.append(NAMES[part.text])
        elif part.role in ("prefix", "suffix"):
            terms.append("before" if part.role == "prefix" else "after")
        elif part.role == "path":
            terms.append(python_text(part.text))
        else:
            files += 1
            lines.append(f"file_{files} = {python_text(part.text)}")
            terms.append(f"file_{files}")
    joined = f"prompt = {' + '.join(terms)}"
    if len(joined) > WIDTH:
        joined = "prompt = (\n    " + "\n    + ".join(terms) + "\n)"
    lines.append(joined)
    if taken.begins:
        lines += ["# The middle must begin with this.", f"begins = {python_text(taken.begins)}"]
    return "\n".join(lines)


def given(taken: Taken, tool: Tool) -> str:
    """Return the expression for everything the model is given."""
    if taken.reason(tool) is not None:
        return "prompt_ids + begins_ids" if taken.forced else "prompt_ids"
    return "prompt + begins" if taken.begins else "prompt"


def cut(taken: Taken) -> str:
    """End the middle as the request does: before a stop string, or at the end of its line."""
    given = len(taken.forced_text)
    lines = []
    for stop in taken.request.stop:
        part = f"middle[{given}:]" if given else "middle"
        begin = f"middle[:{given}] + " if given else ""
        lines.append(f"middle = {begin}{part}.partition({python_text(stop)})[0]")
    if taken.request.one_line:
        blank = "len(middle) - len(middle.lstrip())"
        lines += [
            "# One line; line breaks at its start do not count.",
            f"start = {f'max({given}, {blank})' if given else blank}",
            'middle = middle[:start] + middle[start:].partition("\\n")[0]',
        ]
    return "\n".join(lines)


def program(taken: Taken) -> str:
    """Splice and print."""
    terms = ["before", "middle", "after"]
    if taken.unread_before:
        terms.insert(0, "unread_before")
    if taken.unread_after:
        terms.append("unread_after")
    lines = [f"program = {' + '.join(terms)}"]
    if taken.ending == "CRLF":
        lines += [r'program = program.replace("\r\n", "\n").replace("\n", "\r\n")']
    return "\n".join([*lines, "print(program)"])


def assembled(*blocks: str) -> str:
    """Join non-empty blocks of a script, separated by blank lines."""
    return "\n\n".join(block for block in blocks if block) + "\n"
