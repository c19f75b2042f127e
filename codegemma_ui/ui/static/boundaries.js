// Boundary check: a line for each finding under the editors. Its place is highlighted in the editor, and its fix is
// applied there by one click, as an edit that can be undone; nothing changes before that.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};
  const EDITORS = { prefix: "before", suffix: "after" };
  const SIGNS = { warning: "!", note: "i", fine: "\u2713" };
  let unfolded = false; // all lines are shown, not only the first
  const explained = new Set(); // kinds whose reason is shown

  const viewOf = (side) => playground.editors.view(EDITORS[side]);

  // A place as a position in an editor's document, or null if the document has no such place.
  function position(doc, line, column) {
    if (line >= doc.lines) return null;
    const { from, length } = doc.line(line + 1);
    return column <= length ? from + column : null;
  }

  // The edits of each side as changes of its document; null if a text is not the one that was checked.
  function changesOf(edits) {
    const changes = new Map();
    for (const [side, line, column, endLine, endColumn, old, text] of edits) {
      const { doc } = viewOf(side)?.state ?? {};
      if (!doc) return null;
      const from = position(doc, line, column);
      const to = position(doc, endLine, endColumn);
      if (from === null || to === null || doc.sliceString(from, to) !== old) return null;
      changes.set(side, [...(changes.get(side) ?? []), { from, to, insert: text }]);
    }
    return changes;
  }

  function mend({ edits, max_length: maxLength }) {
    if (maxLength !== null) {
      const field = document.querySelector("#max-length input[type=number]");
      field.value = maxLength;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
      field.dispatchEvent(new Event("blur"));
      field.focus();
      return;
    }
    const changes = changesOf(edits);
    if (!changes) return; // typed over meanwhile: the next check is on its way
    playground.editors.together(() => {
      for (const [side, changed] of changes) viewOf(side).dispatch({ changes: changed, userEvent: "input.fix" });
    });
    const [[side]] = changes; // Ctrl+Z there takes all of it back
    viewOf(side).focus();
  }

  // The caret, where a finding begins.
  function goTo([side, line, column]) {
    const view = viewOf(side);
    const at = view && position(view.state.doc, line, column);
    if (!view || at === null) return;
    view.dispatch({ selection: { anchor: at }, scrollIntoView: true });
    view.focus();
  }

  function lineOf(finding, words) {
    const { element, fill } = playground;
    const { kind, severity, title, why, fix, places } = finding;
    const sign = element("span", { className: "sign", role: "img", "aria-label": words[`boundaries_${severity}`], text: SIGNS[severity] });
    const item = element("li", { className: severity, "data-kind": kind }, sign, element("span", { className: "title", text: title }));
    if (places.length) {
      const [side, line, column] = places[0];
      const where = fill(words.boundaries_goto, { side: words[EDITORS[side]], line: line + 1, column: column + 1 });
      item.append(element("button", { type: "button", className: "place", text: fill(words.xray_place, { line: line + 1, column: column + 1 }), title: where, "aria-label": where, onclick: () => goTo(places[0]) }));
    }
    if (fix) item.append(element("button", { type: "button", className: "fix", text: fix, onclick: () => mend(finding) }));
    const reason = element("p", { className: "why", text: why, hidden: !explained.has(kind) });
    const ask = element("button", { type: "button", className: "ask", text: words.boundaries_why, "aria-expanded": String(explained.has(kind)), "aria-label": `${words.boundaries_why} ${title}` });
    ask.addEventListener("click", () => {
      reason.hidden = !reason.hidden;
      if (reason.hidden) explained.delete(kind);
      else explained.add(kind);
      ask.setAttribute("aria-expanded", String(!reason.hidden));
    });
    item.append(ask, reason);
    const light = () => playground.lightPlaces?.(places);
    const dim = () => playground.lightPlaces?.([]);
    item.addEventListener("pointerenter", light);
    item.addEventListener("focusin", light);
    item.addEventListener("pointerleave", dim);
    item.addEventListener("focusout", dim);
    return item;
  }

  playground.views.boundaries = (stage, { findings, words }) => {
    const { element, fill } = playground;
    playground.lightPlaces?.([]); // what was lit may be gone
    if (!findings.length) return;
    const items = findings.map((finding) => lineOf(finding, words));
    const list = element("ul", { className: "findings", "aria-label": words.boundaries_says }, ...items);
    stage.append(list);
    if (items.length === 1) return;
    const more = element("button", { type: "button", className: "more" });
    const fold = () => {
      items.slice(1).forEach((item) => (item.hidden = !unfolded));
      more.textContent = unfolded ? words.boundaries_less : fill(words.boundaries_more, { count: items.length - 1 });
      more.setAttribute("aria-expanded", String(unfolded));
    };
    more.addEventListener("click", () => {
      unfolded = !unfolded;
      fold();
    });
    fold();
    items[0].querySelector(".ask").after(more);
  };
})();
