// Prompt X-ray: a cell for each token. The text of a token is highlighted in its editor, and the other way round.
//
// CodeMirror renders visible lines only, with their numbers beside them: a line is found by its number, a place in
// it by counting characters, and the CSS Custom Highlight API colours it without changing it.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};
  const EDITORS = { prefix: "before", suffix: "after" };
  const LIGHT = "lit-token";
  let shown = null; // the facts, the cells and how to choose one, of the X-ray in view

  // Rendered lines

  const numbersOf = (editor) =>
    [...editor.querySelectorAll(".cm-lineNumbers .cm-gutterElement")].filter((one) => one.offsetHeight > 0);

  const near = (one, other) =>
    Math.abs(one.getBoundingClientRect().top - other.getBoundingClientRect().top) < 3;

  function lineElement(editor, line) {
    const number = numbersOf(editor).find((one) => one.textContent === String(line + 1));
    return number && [...editor.querySelectorAll(".cm-line")].find((one) => near(one, number));
  }

  function lineOf(editor, element) {
    const number = numbersOf(editor).find((one) => near(one, element));
    return number ? Number(number.textContent) - 1 : null;
  }

  // The text node and offset of a column.
  function placeIn(line, column) {
    const texts = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
    let left = column;
    let last = null;
    while (texts.nextNode()) {
      last = texts.currentNode;
      if (left <= last.length) return [last, left];
      left -= last.length;
    }
    return last ? [last, last.length] : [line, 0];
  }

  function columnOf(line, node, offset) {
    const range = document.createRange();
    range.setStart(line, 0);
    range.setEnd(node, offset);
    return range.toString().length;
  }

  // From a token to its editor

  function rangeOf([, , role, line, column, endLine, endColumn]) {
    const editor = document.querySelector(`#${EDITORS[role]} .cm-editor`);
    const first = editor && lineElement(editor, line);
    if (!first) return null;
    const last = endLine === line ? first : lineElement(editor, endLine);
    const range = document.createRange();
    range.setStart(...placeIn(first, column));
    if (last) range.setEnd(...placeIn(last, endColumn));
    else range.setEndAfter(first.lastChild ?? first);
    return range;
  }

  function lightEditor(token) {
    if (!CSS.highlights) return;
    CSS.highlights.delete(LIGHT);
    const range = token && token[2] in EDITORS ? rangeOf(token) : null;
    if (range && !range.collapsed) CSS.highlights.set(LIGHT, new Highlight(range));
  }

  // Places that another view refers to, as `[side, line, column, line, column]`; none if nothing is highlighted.
  playground.lightPlaces = (places) => {
    if (!CSS.highlights) return;
    CSS.highlights.delete(LIGHT);
    const ranges = places.map((place) => rangeOf([null, null, ...place])).filter((range) => range && !range.collapsed);
    if (ranges.length) CSS.highlights.set(LIGHT, new Highlight(...ranges));
  };

  // From a place in an editor to its token

  function tokenAt(role, line, column) {
    const { tokens } = shown.facts;
    return tokens.findIndex(
      ([, , one, firstLine, firstColumn, endLine, endColumn]) =>
        one === role &&
        (line > firstLine || (line === firstLine && column >= firstColumn)) &&
        (line < endLine || (line === endLine && column < endColumn)),
    );
  }

  function lightFromEditor(node, offset) {
    if (!shown || shown.box.offsetParent === null || !node) return;
    const element = node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    const line = element?.closest?.(".cm-line");
    const editor = line?.closest("#before .cm-editor, #after .cm-editor");
    if (!editor) return;
    const role = editor.closest("#before") ? "prefix" : "suffix";
    const number = lineOf(editor, line);
    const at = number === null ? -1 : tokenAt(role, number, columnOf(line, node, offset));
    if (at < 0) return;
    shown.choose(at);
    shown.tell(at);
    shown.cells[at].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  let moved = null;
  document.addEventListener("pointermove", (event) => {
    if (!event.target.closest?.("#before .cm-content, #after .cm-content")) return;
    if (!moved)
      requestAnimationFrame(() => {
        const { clientX, clientY } = moved;
        moved = null;
        const place = document.caretPositionFromPoint?.(clientX, clientY);
        if (place) lightFromEditor(place.offsetNode, place.offset);
      });
    moved = event;
  });
  document.addEventListener("selectionchange", () => {
    const selection = document.getSelection();
    if (selection?.isCollapsed) lightFromEditor(selection.focusNode, selection.focusOffset);
  });

  // The view

  playground.views.xray = (stage, facts) => {
    const { element, piece, fill, named, spoken, cells: group, lines } = playground;
    const { words } = facts;
    const roleName = (role) => words[`role_${role}`];

    const shares = Object.entries({ ...facts.counts, room: facts.room });
    const bar = element(
      "div",
      { className: "budget", "aria-hidden": "true" },
      ...shares.map(([role, count]) =>
        element("div", { className: `part ${role}`, style: { "flex-grow": count }, title: `${roleName(role)}: ${count}` }),
      ),
    );
    const counts = element(
      "ul",
      { className: "legend" },
      ...shares.map(([role, count]) => element("li", { className: role, text: `${roleName(role)} ${count}` })),
      element("li", { className: "total", text: `max_length ${facts.max_length}` }),
      ...Object.entries(facts.trimmed).map(([role, count]) =>
        element("li", { className: `cut ${role}` }, element("s", { text: fill(words.xray_cut, { role: roleName(role), count }) })),
      ),
    );

    const told = element("p", { className: "told", "aria-live": "polite" });
    const tell = (at) => {
      const [id, text, role, line, column] = facts.tokens[at];
      const where = line === undefined ? "" : ` · ${fill(words.xray_place, { line: line + 1, column: column + 1 })}`;
      told.replaceChildren(named(text, words), ` · ${fill(words.xray_token, { id })} · ${roleName(role)}${where}`);
      lightEditor(facts.tokens[at]);
    };

    const cells = facts.tokens.map(([id, text, role]) =>
      element(
        "button",
        { type: "button", className: `cell role ${role}`, "aria-label": `${spoken(text, words)}, ${id}, ${roleName(role)}` },
        piece(text),
        element("small", { text: id }),
      ),
    );
    const { box, choose } = group(cells, words.xray_prompt, tell);
    // Cells of one role are grouped under its name, so that colour is not the only cue.
    let last = null;
    const parts = facts.tokens.flatMap(([, text, role], at) => {
      const name = element("b", { className: `run-name ${role}`, "data-role": role, text: roleName(role) });
      const part = [...(role === last ? [] : [name]), cells[at], ...(text.includes("\n") ? [null] : [])];
      last = role;
      return part;
    });
    box.replaceChildren(...lines(parts));
    box.addEventListener("pointerleave", () => lightEditor(null));
    box.addEventListener("focusout", () => lightEditor(null));
    shown = { facts, cells, box, choose, tell };
    stage.append(bar, counts, told, box);
  };
})();
