// Changes of both editors that are one step for the person who takes them back: text that moved from one to the
// other, and an example or a lesson that replaced both. Undo or redo in either editor does the same in the other.
(() => {
  const { editors } = window.playground;
  const SIDES = ["before", "after"];
  const TOGETHER_MS = 300; // between the replacements of the two texts by the page
  const MOST = 100;
  const KEYS = { undo: ["z", false], redo: ["Z", true] };

  const links = []; // { before: [was, became], after: [was, became] }, oldest first
  let linking = false; // both are being changed by `together`
  let following = false; // one follows the other
  let replaced = null; // { id, was, became, at }: what the page has just put into one editor

  const other = (id) => SIDES.find((one) => one !== id);
  const docOf = (id) => editors.view(id).state.doc;

  function add(link) {
    links.push(link);
    if (links.length > MOST) links.shift();
  }

  // Do something to both editors that is taken back in one step.
  editors.together = (change) => {
    const was = SIDES.map(docOf);
    linking = true;
    try {
      change();
    } finally {
      linking = false;
    }
    add(Object.fromEntries(SIDES.map((id, at) => [id, [was[at], docOf(id)]])));
    SIDES.forEach(editors.seal);
  };

  // End a step of undo: CodeMirror joins changes that follow each other within half a second, but not over a change
  // of the selection.
  editors.seal = (id) => {
    const view = editors.view(id);
    view?.dispatch({ selection: view.state.selection, userEvent: "seal" });
  };
  // Whatever is pressed elsewhere on the page may replace the texts.
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(
      kind,
      (event) => {
        if (kind === "keydown" && !["Enter", " "].includes(event.key)) return;
        if (!event.target.closest?.("#before, #after")) SIDES.forEach(editors.seal);
      },
      true,
    );

  // Through the key, since CodeMirror's command cannot be reached.
  function press(id, kind) {
    const [key, shiftKey] = KEYS[kind];
    const mac = document.documentElement.dataset.keys === "mac";
    const options = { key, shiftKey, code: "KeyZ", keyCode: 90, ctrlKey: !mac, metaKey: mac, bubbles: true, cancelable: true };
    editors.view(id).contentDOM.dispatchEvent(new KeyboardEvent("keydown", options));
  }

  // Where the other editor was changed since, its share of moved text is taken out of it, and nothing else.
  function takeOut(id, [was, became]) {
    const view = editors.view(id);
    const { doc } = view.state;
    const length = became.length - was.length;
    if (length <= 0) return;
    const from = id === "after" ? 0 : doc.length - length;
    const moved = id === "after" ? became.sliceString(0, length) : became.sliceString(was.length);
    if (from >= 0 && doc.sliceString(from, from + length) === moved)
      view.dispatch({ changes: { from, to: from + length }, userEvent: "delete.moved" });
  }

  function follow(id, kind, became) {
    const [from, to] = kind === "undo" ? [1, 0] : [0, 1];
    const link = links.findLast((one) => one[id][to].eq(became));
    if (!link) return;
    const there = other(id);
    following = true;
    try {
      if (docOf(there).eq(link[there][from])) press(there, kind);
      else if (kind === "undo") takeOut(there, link[there]);
    } finally {
      following = false;
    }
  }

  function replacedBy(id, was, became) {
    const now = performance.now();
    const first = replaced;
    replaced = { id, was, became, at: now };
    if (!first || first.id === id || now - first.at > TOGETHER_MS) return;
    add({ [first.id]: [first.was, first.became], [id]: [was, became] });
    replaced = null;
  }

  editors.listen((id, update) => {
    if (!update?.docChanged || !SIDES.includes(id) || linking || following) return;
    const { doc: was } = update.startState;
    const { doc: became } = update.state;
    for (const transaction of update.transactions) {
      const event = editors.userEvent(transaction);
      if (event === "undo" || event === "redo") queueMicrotask(() => follow(id, event, became));
      else if (!event && transaction.docChanged && editors.isKept(transaction)) replacedBy(id, was, became);
    }
  });
})();
