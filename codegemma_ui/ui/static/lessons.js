// Lessons: a list in a tab, and the card of the open one, with a prediction before the run and the answer after it.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};

  // `?present`: large type, for a wall.
  if (new URLSearchParams(location.search).has("present")) document.documentElement.classList.add("present");

  // Show a pane, whether its tab is in the row or in the overflow menu.
  playground.openTab = (id, name, scroll = true) => {
    const row = document.querySelector(`#panes [role=tablist] #${id}-tab-button`);
    const menu = [...document.querySelectorAll("#panes .overflow-dropdown button")];
    const button = row ?? menu.find((one) => one.textContent.trim() === name);
    // As if by a pointer: a tab that the keyboard opens takes the focus (tabs.js), and the page would scroll to it.
    button?.dispatchEvent(new MouseEvent("click", { bubbles: true, detail: 1 }));
    if (scroll) document.getElementById("panes").scrollIntoView({ block: "nearest" });
  };

  let wanted = null; // what gets the focus when the lesson that was asked for comes
  let guesses = {}; // what the pupil predicts, by lesson and variation
  let guessed = null; // the prediction when the completion in view was started
  let written = null; // its middle, once it has ended
  let reveal = () => {};
  let guessNow = () => "";

  (playground.keepers ??= {}).lesson = {
    get: () => (Object.keys(guesses).length ? guesses : null),
    set: (kept) => (guesses = kept),
  };

  ((playground.listeners ??= {}).recorded ??= []).push(({ recording, unfinished, opened }) => {
    if (unfinished) [guessed, written] = [unfinished.error ? guessed : guessNow(), null];
    else if (!recording || opened) [guessed, written] = [null, null];
    else written = playground.middleOf(recording);
    reveal();
  });

  const completeButton = () => document.getElementById("complete");
  function run() {
    if (!completeButton()?.disabled) completeButton()?.click();
  }

  // Run can be pressed when Complete can. It stays focusable, so that the keyboard keeps its place.
  function follow() {
    const button = document.querySelector("#lesson .run");
    const off = String(completeButton()?.disabled ?? true);
    if (button && button.getAttribute("aria-disabled") !== off) button.setAttribute("aria-disabled", off);
  }

  const plain = (text) => text.trim().split(/\s+/).join(" ");

  function open(lesson, tried = null, focus = "h2") {
    wanted = lesson === null ? null : focus;
    playground.ask("lesson-ask", { lesson, try: tried });
    if (lesson === null) document.querySelector("#before .cm-content")?.focus();
  }

  playground.views.lessons = (stage, { lessons, words }) => {
    const { element } = playground;
    const buttons = lessons.map(({ key, title }, at) =>
      element(
        "li",
        {},
        element("button", { type: "button", "data-lesson": key, onclick: () => open(key) }, element("b", { text: at + 1 }), element("span", { text: title })),
      ),
    );
    stage.append(element("ol", { className: "lesson-list", "aria-label": words.lessons_list }, ...buttons));
  };

  playground.views.lesson = (stage, facts) => {
    const { element, fill, piece } = playground;
    const { words } = facts;
    const button = (className, text, onclick, more = {}) => element("button", { type: "button", className, text, onclick, ...more });
    const ways = element("div", { className: "ways", role: "group", "aria-label": words.lesson_try });
    if (facts.tries.length) {
      ways.append(element("span", { text: words.lesson_try }));
      for (const { key, label } of [{ key: null, label: words.lesson_as_given }, ...facts.tries])
        ways.append(button("way", label, () => open(facts.key, key, "[aria-pressed=true]"), { "aria-pressed": String(key === facts.tried) }));
    }
    const head = element(
      "div",
      { className: "lesson-head" },
      element("h2", { tabindex: -1 }, element("small", { text: fill(words.lesson_of, facts) }), ` ${facts.title}`),
      ways,
      element(
        "div",
        { className: "lesson-steps" },
        button("back", words.lesson_back, () => open(facts.back), { disabled: facts.back === null }),
        button("next", words.lesson_next, () => open(facts.next), { disabled: facts.next === null }),
        button("close", "\u00d7", () => open(null), { "aria-label": words.lesson_close, title: words.lesson_close }),
      ),
    );
    const place = [facts.key, facts.tried].join(" ");
    const guess = element("input", { id: "lesson-guess", autocapitalize: "off", autocomplete: "off", spellcheck: "false" });
    guess.value = guesses[place] ?? "";
    guess.addEventListener("input", () => (guesses[place] = guess.value));
    guess.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing && !event.ctrlKey && !event.metaKey) run();
    });
    const look = element(
      "p",
      { className: "look" },
      button("run", words.lessons_run, run),
      " ",
      ...words.lesson_look.split(/(\{tab\})/).map((part) =>
        part === "{tab}" ? button("tab", facts.tab_name, () => playground.openTab(facts.tab, facts.tab_name)) : part,
      ),
    );
    const answer = element("p", { className: "answer", role: "status" });
    const code = (text) => element("code", {}, text === "" ? words.quiz_nothing : playground.piece(text));
    guessNow = () => guess.value;
    reveal = () => {
      answer.replaceChildren();
      if (written === null) return;
      const prediction = guessed ?? guess.value;
      answer.append(element("span", {}, `${words.lessons_wrote} `, code(written)));
      if (plain(prediction) === "") return;
      const same = plain(prediction) === plain(written);
      const sign = element("b", { className: same ? "yes" : "no", text: same ? `\u2713 ${words.quiz_same}` : `\u2717 ${words.quiz_other}` });
      answer.append(" ", element("span", {}, `${words.lessons_guessed} `, code(prediction), " ", sign));
    };
    const predict = element("div", { className: "predict" }, element("label", { for: "lesson-guess", text: facts.question }), guess, look, answer);
    const says = facts.says.split("`").map((part, at) => (at % 2 ? element("code", {}, piece(part)) : part));
    stage.append(head, element("div", { className: "lesson-body" }, element("p", { className: "lesson-says", tabindex: 0 }, ...says), predict));
    follow();
    reveal();
    if (facts.asked !== null) playground.openTab(facts.tab, facts.tab_name, false);
    if (!wanted) return;
    if (wanted === "h2") document.getElementById("before").scrollIntoView({ block: "nearest" });
    stage.querySelector(wanted)?.focus({ preventScroll: true });
    wanted = null;
  };

  function start() {
    new MutationObserver(follow).observe(document.body, { subtree: true, attributeFilter: ["disabled"] });
  }

  playground.onBody(start);
})();
