// The caret is the cursor: what stands on its wrong side moves to the other editor when Complete is pressed, so that
// the editors show exactly what is sent. A selection becomes the hole, and its text the true middle.
//
// The caret counts where a person has put it since the page last set the text; without that, the hole is between the
// editors. Writing the code after the cursor from nothing is no choice of a place either.
(() => {
  const { editors } = window.playground;
  const SIDES = ["before", "after"];
  let placed = null; // the editor whose caret counts

  // Edits of the page on a person's behalf, which leave the caret where it is.
  const OURS = ["input.fix", "move.split", "delete.moved", "seal"];

  editors.listen((id, update) => {
    if (!update || !SIDES.includes(id)) return;
    for (const transaction of update.transactions) {
      const event = editors.userEvent(transaction);
      const { docChanged, startState, newDoc, newSelection } = transaction;
      if (OURS.includes(event)) continue;
      if (docChanged && !event) placed = null;
      else if (event === "undo" || event === "redo") {
        // The caret comes back with the text; at the very beginning it may never have been placed.
        if (update.view.hasFocus) placed = newSelection.main.head ? id : null;
      } else if (event?.startsWith("select")) placed = newDoc.length ? id : null;
      else if (docChanged && id === "before") placed = newDoc.length ? id : null;
      else if (docChanged && !(placed === id && startState.doc.length && newDoc.length)) placed = null;
    }
  });

  // The changes that make the caret the boundary of the two texts, and what was selected; null if it is that already.
  function changes(before, after) {
    const { doc, selection } = placed === "before" ? before.state : after.state;
    const end = before.state.doc.length;
    let { from, to } = selection.main;
    if (to - from === end + after.state.doc.length) from = to; // all of it is no hole
    if (placed === "before" ? from === end : to === 0) return null;
    const each =
      placed === "before"
        ? [{ from, to: end }, { from: 0, insert: doc.sliceString(to) }]
        : [{ from: end, insert: doc.sliceString(0, from) }, { from: 0, to }];
    return { each, selected: doc.sliceString(from, to) };
  }

  function split() {
    const views = SIDES.map((id) => editors.view(id));
    if (!placed || !views.every(Boolean)) return;
    const [before] = views;
    const found = changes(...views);
    if (found) editors.together(() => views.forEach((view, at) => view.dispatch({ changes: found.each[at], userEvent: "move.split" })));
    if (found?.selected) window.playground.ask("truth-ask", { text: found.selected });
    placed = null;
    // The caret stands where the middle will.
    before.dispatch({ selection: { anchor: before.state.doc.length }, scrollIntoView: true });
    if (document.activeElement?.closest?.("#before, #after")) before.focus();
  }

  // Ctrl+click, Cmd on a Mac, places the caret and completes there.
  document.addEventListener(
    "mousedown",
    (event) => {
      const held = document.documentElement.dataset.keys === "mac" ? event.metaKey : event.ctrlKey;
      if (event.button !== 0 || !held || event.altKey || event.shiftKey) return;
      const id = SIDES.find((side) => event.target.closest?.(`#${side} .cm-content`));
      const view = id && editors.view(id);
      if (!view) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      view.focus();
      const anchor = view.posAtCoords({ x: event.clientX, y: event.clientY }, false);
      view.dispatch({ selection: { anchor }, userEvent: "select.pointer" });
      document.getElementById("complete")?.click();
    },
    true,
  );

  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest?.("#complete:not(:disabled)")) split();
    },
    true,
  );
})();
