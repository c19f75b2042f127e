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

  function hole() {
    const view = placed && editors.view(placed);
    if (!view) return null;
    const { from, to } = view.state.selection.main;
    const { doc } = view.state;
    if (placed === "before") return from === doc.length ? null : { moved: doc.sliceString(to), hole: doc.sliceString(from, to), from };
    return to === 0 ? null : { moved: doc.sliceString(0, from), hole: doc.sliceString(from, to), to };
  }

  function split() {
    const found = hole();
    const before = editors.view("before");
    if (!before || !editors.view("after")) return;
    if (found) {
      const after = editors.view("after");
      const end = before.state.doc.length;
      editors.together(() => {
        if (placed === "before") {
          before.dispatch({ changes: { from: found.from, to: end }, userEvent: "move.split" });
          if (found.moved) after.dispatch({ changes: { from: 0, insert: found.moved }, userEvent: "move.split" });
        } else {
          after.dispatch({ changes: { from: 0, to: found.to }, userEvent: "move.split" });
          if (found.moved) before.dispatch({ changes: { from: end, insert: found.moved }, userEvent: "move.split" });
        }
      });
      if (found.hole) window.playground.ask("truth-ask", { text: found.hole });
    }
    // The caret stands where the middle will.
    const caret = placed || found;
    placed = null;
    if (!caret) return;
    before.dispatch({ selection: { anchor: before.state.doc.length }, scrollIntoView: true });
    if (document.activeElement?.closest?.("#before, #after")) before.focus();
  }

  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest?.("#complete:not(:disabled)")) split();
    },
    true,
  );
})();
