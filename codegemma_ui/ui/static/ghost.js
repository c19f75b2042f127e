// Ghost text: the middle in grey where it would stand, at the end of the editor before the cursor, until it is
// accepted. It is a decoration and no part of the document.
//
// What is shown follows from the texts alone: where the editors hold the request of the completion in view, and of
// its middle the beginning or nothing, the rest of the middle is the ghost. So typing what it says accepts it letter
// by letter, typing something else hides it, and undo brings it back.
(() => {
  const playground = (window.playground ??= {});
  const { editors } = playground;

  let request = null; // of the completion in view
  let dismissed = false; // its ghost was
  let ghost = "";
  let shown = ""; // as the editor was drawn last
  let announced = "";

  playground.ghost = () => ghost;

  const running = () => document.getElementById("stop")?.disabled === false;

  // The part of the middle that is still to be accepted, and whether the editors still hold what was completed.
  function compute() {
    const [before, after] = ["before", "after"].map((id) => editors.view(id)?.state.doc);
    if (!request || !before || !after) return { rest: "", fresh: true };
    const { prefix = "", suffix = "" } = request;
    const middle = editors.text("middle");
    const accepted = before.length - prefix.length;
    const fits =
      accepted >= 0 &&
      accepted <= middle.length &&
      after.length === suffix.length &&
      before.toString() === prefix + middle.slice(0, accepted) &&
      after.toString() === suffix;
    return { rest: fits ? middle.slice(accepted) : "", fresh: fits };
  }

  function refresh() {
    const { rest, fresh } = compute();
    ghost = dismissed ? "" : rest;
    document.documentElement.toggleAttribute("data-stale", !fresh && editors.text("middle") !== "");
    const off = ghost === "";
    for (const button of document.querySelectorAll("[data-ghost]")) if (button.disabled !== off) button.disabled = off;
    const composing = editors.view("before")?.composing; // drawn when the composition has ended
    if (ghost !== shown && !composing) {
      const appears = shown === "";
      shown = ghost;
      editors.redraw("before");
      if (appears) playground.ghostListeners?.forEach((listener) => listener());
    }
    announce();
  }

  // Once for each suggestion, when it is complete.
  function announce() {
    const line = document.querySelector(".ghost-says");
    if (!line || running()) return;
    if (ghost && ghost !== announced && !announced.endsWith(ghost)) line.textContent = line.dataset.says.replace("{text}", () => ghost);
    else if (!ghost) line.textContent = "";
    announced = ghost;
  }

  const PARTS = {
    all: () => ghost,
    word: () => /^\s*(?:[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]+)?/u.exec(ghost)[0],
    line: () => /^[^\n]*\n?/.exec(ghost)[0],
  };

  function accept(part) {
    const view = editors.view("before");
    const insert = PARTS[part]();
    if (!view || !insert) return;
    const from = view.state.doc.length;
    view.dispatch({
      changes: { from, insert },
      selection: { anchor: from + insert.length },
      scrollIntoView: true,
      userEvent: "input.complete",
    });
    editors.seal("before"); // what is typed next is undone on its own
  }

  function dismiss() {
    dismissed = true;
    refresh();
  }

  editors.decorate((id, state) => (id === "before" && shown ? [editors.textAt(state.doc.length, shown, "ghost-text")] : []));

  let planned = false;
  editors.listen((id, update) => {
    if (update && !update.docChanged && !update.focusChanged) return;
    if (planned) return;
    planned = true; // in the same frame, but not in the middle of an editor's own update
    queueMicrotask(() => {
      planned = false;
      refresh();
    });
  });
  document.addEventListener("compositionend", () => setTimeout(refresh), true);

  ((playground.listeners ??= {}).recorded ??= []).push(({ recording, unfinished, ready }) => {
    if (ready && !recording && !unfinished) return;
    const begins = unfinished && !unfinished.error;
    if (begins) [dismissed, announced] = [false, ""];
    request = (recording ?? unfinished)?.request ?? null;
    refresh();
  });

  // Whether the caret stands where the ghost begins.
  const atGhost = (event) => {
    const content = event.target.closest?.("#before .cm-content");
    const { selection, doc } = (content && playground.editorView(content)?.state) ?? {};
    return ghost !== "" && selection?.main.empty && selection.main.head === doc.length;
  };

  function partOf(event) {
    if (event.shiftKey || event.altKey) return null;
    if (event.key === "Tab" && !event.ctrlKey && !event.metaKey) return "all";
    if (!(document.documentElement.dataset.keys === "mac" ? event.metaKey : event.ctrlKey)) return null;
    return { ArrowRight: "word", ArrowDown: "line" }[event.key] ?? null;
  }

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.isComposing) return;
      const part = partOf(event);
      if (event.key === "Escape") {
        if (running()) document.getElementById("stop").click();
        else if (ghost && event.target.closest?.("#workspace")) dismiss();
        else return; // leaves the editor, see indentation.js
      } else if (part && atGhost(event)) accept(part);
      else return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-ghost]");
    if (!button) return;
    if (button.dataset.ghost === "none") dismiss();
    else accept(button.dataset.ghost);
    editors.view("before")?.focus();
  });

  // The end of a completion is seen at its button.
  function start() {
    new MutationObserver(refresh).observe(document.body, { subtree: true, attributeFilter: ["disabled"] });
  }
  playground.onBody(start);
})();
