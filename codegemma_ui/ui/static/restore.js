// Restore: what was typed, chosen and generated last survives any reload of this tab.
//
// Gradio (6.31) reloads the page by itself once it has lost the server and found it again. The state is kept in the
// tab's sessionStorage: tabs are independent, a restart or a login in between does not matter, and the server stores
// nothing. The texts are restored here as soon as the editors exist; the settings and the last run are rendered by
// the server, as they were the first time. If the browser forbids storage, the page works as usual, and says so
// when the server is lost.
(() => {
  const playground = (window.playground ??= {});
  const VERSION = 1; // of what is kept; what another one kept is left alone
  const SIDES = ["before", "after"];
  const LINK = "#run="; // as in take.js
  const MOST_CHARACTERS = { page: 5_000_000, run: 1_000_000 }; // what a tab's storage holds; a run leaves it to the texts
  const MOST_CONTROLS = 1_000_000; // characters: the server is sent them to put them back
  const MOST_BYTES = 4_500_000; // of a question to the server, which takes 5 MiB
  const PAUSE_MS = 400; // after the last key
  const WHILE_WRITTEN_MS = 1000;

  // A link, and an address that names an example or a lesson, has its own storage key, so that Back from it restores
  // the previous state.
  const query = new URLSearchParams(location.search);
  const named = query.get("example") || query.get("lesson") ? location.search : "";
  const slotOf = (hash) => (hash.startsWith(LINK) ? hash : named);
  const keyOf = (slot, part) => `playground-kept ${location.pathname} ${slot ? "link" : "page"} ${part}`;

  let slot = slotOf(location.hash); // where it is kept; null until the link that is being opened is in view
  let page = {}; // { texts, carets, focused, controls, advanced, tab, lesson }
  let run = null; // what the last completion left: { recording, opened } or { request, ending, error, middle }
  let live = false; // the middle in view is that run's, whose recording has not come
  let kept = null; // what this page found when it was loaded
  let filled = false; // its texts stand in the editors
  let settled = false; // so is the rest, and what changes from now on is a person's doing
  let changed = false;
  let stored = []; // the documents that were stored last
  let planned = null;
  let writing = null;
  let gone = false; // logged out
  let opening = false; // the server was asked what the address opens
  let early = null; // the texts that a person has typed since

  // Storage

  function read(key) {
    try {
      const value = JSON.parse(sessionStorage.getItem(key));
      return value?.version === VERSION && value.slot === slot ? value : null;
    } catch {
      return null; // forbidden, or not ours
    }
  }

  function drop(key) {
    try {
      sessionStorage.removeItem(key);
    } catch {
      // forbidden
    }
  }

  function store(part, value) {
    const text = JSON.stringify({ version: VERSION, slot, ...value });
    if (text.length > MOST_CHARACTERS[part]) return false;
    // If the storage is full, other entries are dropped: the other address's, then the run.
    const other = slot ? "" : LINK;
    const texts = part === "page" ? [keyOf(other, "page")] : []; // no run is worth somebody's texts
    for (const key of [null, keyOf(other, "run"), ...texts, keyOf(slot, "run")]) {
      try {
        if (key) sessionStorage.removeItem(key);
        sessionStorage.setItem(keyOf(slot, part), text);
        return true;
      } catch {
        // full, or forbidden
      }
    }
    return false;
  }

  function storePage() {
    const controls = JSON.stringify(page.controls ?? {}).length;
    const ok = controls <= MOST_CONTROLS && store("page", page);
    if (!ok) drop(keyOf(slot, "page")); // an older text in its stead would pass for this one
    document.documentElement.dataset.kept = ok ? "yes" : "no";
  }

  // As much of the views' state as fits; the run itself last.
  function storeRun() {
    const held = {};
    for (const [name, { get }] of Object.entries(playground.keepers ?? {})) {
      const value = get();
      if (value) held[name] = value;
    }
    const order = ["race", "suffix", "tokens", "quiz"];
    for (const name of [null, ...order]) {
      if (name) delete held[name];
      if (store("run", { run, held })) return;
    }
    drop(keyOf(slot, "run"));
  }

  // The state of the page

  const viewOf = playground.editors.view;

  // A control that was changed since Gradio's last report: while the server is lost it reports nothing.
  const touched = new Map();
  const READERS = {
    number: (field) => (field.value === "" ? null : Number(field.value)),
    range: (field) => Number(field.value),
  };
  document.addEventListener(
    "input",
    ({ target }) => {
      for (let one = target.closest?.("[id]"); one; one = one.parentElement?.closest("[id]")) {
        const name = one.id.replaceAll("-", "_");
        if (page.controls && name in page.controls) touched.set(name, target);
      }
    },
    true,
  );

  function look() {
    const views = SIDES.map(viewOf);
    if (views.some((view) => !view)) return;
    page.texts = views.map((view) => view.state.doc.toString());
    page.carets = views.map(({ state }) => [state.selection.main.anchor, state.selection.main.head]);
    page.focused = SIDES.find((id) => document.activeElement?.closest?.(`#${id}`)) ?? null;
    stored = views.map((view) => view.state.doc);
    if (!settled) return;
    for (const [name, field] of touched)
      if (field.type !== "radio" || field.checked) page.controls[name] = (READERS[field.type] ?? ((one) => one.value))(field);
    const fold = document.querySelector("#advanced > button");
    page.advanced = fold?.classList.contains("open") ?? false;
    const tab = document.querySelector("#panes [role=tablist] [aria-selected=true]");
    page.tab = tab ? { id: tab.id.replace(/-tab-button$/, ""), name: tab.textContent.trim() } : null;
    const lesson = document.querySelector('section.view[data-view="lesson"] > .facts');
    const { key, tried } = lesson ? JSON.parse(lesson.textContent) : {};
    page.lesson = key ? { lesson: key, try: tried } : null;
    if (live) run.middle = viewOf("middle")?.state.doc.toString() ?? "";
  }

  function flush(whole = true) {
    if (gone) return;
    clearTimeout(planned);
    planned = null;
    if (slot === null || !filled) return;
    playground.hearAll?.();
    const typed = SIDES.some((id, at) => viewOf(id) && viewOf(id).state.doc !== stored[at]);
    if (!typed && !changed && !whole) return;
    look();
    if (!page.texts) return;
    changed = false;
    storePage();
    if (settled && whole) storeRun();
  }

  const plan = () => {
    clearTimeout(planned);
    planned = setTimeout(() => flush(false), PAUSE_MS);
  };

  // Called by Gradio at each change of a control, with the values by name.
  playground.keep = (names, values) => {
    playground.hearAll?.();
    plan();
    if (!settled) return;
    page.controls = Object.fromEntries(names.map((name, at) => [name, values[at]]));
    touched.clear();
    changed = true;
  };

  for (const kind of ["input", "keyup", "paste", "cut", "drop"])
    document.addEventListener(kind, (event) => event.target.closest?.("#before, #after") && plan(), true);
  window.addEventListener("pagehide", () => flush());
  window.addEventListener("beforeunload", (event) => {
    flush();
    const { controls = {}, texts = [] } = page;
    if (document.documentElement.dataset.kept !== "no" || ![...texts, controls.files?.length].some(Boolean)) return;
    event.preventDefault();
    event.returnValue = true; // for browsers that heed nothing else
  });
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && flush());

  // The next user who logs in in this tab finds nothing of this session.
  playground.logOut = async () => {
    const { ok } = await fetch(`${window.gradio_config.root}/logout`, { method: "POST" });
    if (!ok) return;
    gone = true;
    try {
      sessionStorage.clear();
    } catch {
      // forbidden
    }
    location.reload();
  };

  // Addresses

  const here = () => (slot = slotOf(location.hash));
  playground.keptHere = here;
  window.addEventListener("hashchange", () => {
    flush();
    if (!slotOf(location.hash)) here();
  });

  // Whether the link in the address is not to be opened, because its later state in this tab is in view.
  playground.restored = () => kept !== null && slot !== "";

  // The last completion, as sent by the server

  ((playground.listeners ??= {}).recorded ??= []).push((facts) => {
    clearInterval(writing);
    if (facts.ready) {
      if (!facts.recording && !facts.unfinished) [run, live] = [null, false]; // it could not be shown again
      settled = true;
      if (slot === null && !location.hash.startsWith(LINK)) here();
      putBackEarly();
      showTab();
      return;
    }
    const { recording, unfinished, opened } = facts;
    run = recording ? { recording, opened } : unfinished ? { ...unfinished, middle: "" } : null;
    live = Boolean(unfinished);
    const begins = live && !unfinished.error;
    if (begins) writing = setInterval(flush, WHILE_WRITTEN_MS);
    queueMicrotask(() => {
      if (!begins) here(); // by now take.js has left an address that another completion is in view of
      flush();
    });
  });

  // Restoring

  function load() {
    const [{ type } = {}] = performance.getEntriesByType("navigation");
    if (slot && type === "navigate") slot = null; // a link that is opened shows what it holds
    kept = slot === null ? null : read(keyOf(slot, "page"));
    if (!kept) {
      if (slot) slot = null;
      return;
    }
    ({ texts: page.texts, carets: page.carets, focused: page.focused, controls: page.controls } = kept);
    ({ advanced: page.advanced, tab: page.tab, lesson: page.lesson } = kept);
    const more = read(keyOf(slot, "run"));
    run = more?.run ?? null;
    kept.held = more?.held ?? {};
  }

  function fill() {
    const views = SIDES.map(viewOf);
    SIDES.forEach((id, at) => {
      const view = views[at];
      const text = kept.texts[at];
      if (view.state.doc.length || !text) return;
      const Transaction = view.state.update({}).constructor;
      view.dispatch({ changes: { from: 0, insert: text }, annotations: Transaction.addToHistory.of(false) });
      const [anchor, head] = kept.carets[at].map((one) => Math.min(one, view.state.doc.length));
      view.dispatch({ selection: { anchor, head } });
    });
    for (const [name, value] of Object.entries(kept.held)) playground.keepers?.[name]?.set(value);
    filled = true;
    if (kept.focused && document.activeElement === document.body) viewOf(kept.focused).focus();
  }

  playground.editors.listen((id, update) => {
    if (!opening || settled || !update?.transactions.some((one) => one.docChanged && playground.editors.userEvent(one))) return;
    early = SIDES.map((side) => viewOf(side).state.doc.toString());
  });

  function putBackEarly() {
    early?.forEach((insert, at) => {
      const view = viewOf(SIDES[at]);
      if (view.state.doc.toString() !== insert) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert } });
    });
    early = null;
  }

  function showTab() {
    const { id, name } = kept?.tab ?? {};
    if (id) playground.openTab?.(id, name, false);
  }

  // Called by Gradio when the page has loaded: the previous language, then the state for the server to restore.
  playground.keptLanguage = () => kept?.controls?.language_choice ?? "";
  playground.keptPage = () => {
    const typed = SIDES.some((id) => viewOf(id)?.state.doc.length);
    if (!kept && (typed || location.hash)) return "{}"; // which a person fills, or a link, or tells what is wrong with it
    opening = !kept;
    if (!kept) return JSON.stringify({ address: Object.fromEntries(query) });
    const { controls, advanced, lesson } = kept;
    const question = { controls, advanced, lesson, run };
    const bytes = (one) => new Blob([JSON.stringify(JSON.stringify(one))]).size;
    if (bytes(question) > MOST_BYTES) question.run = null;
    return JSON.stringify(question);
  };

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-write-on]") || !run?.request) return;
    if (document.getElementById("complete")?.disabled) return;
    const { request, ending, middle } = run;
    playground.ask("branch-ask", { request, ending, forced: middle, parent: null });
  });

  function start() {
    load();
    filled = !kept;
    if (filled) return;
    const observer = new MutationObserver(() => {
      if (SIDES.some((id) => !viewOf(id))) return;
      observer.disconnect();
      setTimeout(fill); // an editor that is only just made is still given its first, empty value
    });
    observer.observe(document.body, { childList: true, subtree: true });
  }

  playground.onBody(start);
})();
