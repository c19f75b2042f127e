// Lessons: a list in a tab, and the open one above the editors with what to try and where to look.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};

  // Show a pane, whether its tab is in the row or in the overflow menu.
  playground.openTab = (id, name, scroll = true) => {
    const row = document.querySelector(`#panes [role=tablist] #${id}-tab-button`);
    const menu = [...document.querySelectorAll("#panes .overflow-dropdown button")];
    (row ?? menu.find((one) => one.textContent.trim() === name))?.click();
    if (scroll) document.getElementById("panes").scrollIntoView({ block: "nearest" });
  };

  let wanted = null; // what gets the focus when the lesson that was asked for comes

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
    const head = element(
      "div",
      { className: "lesson-head" },
      element("h2", { tabindex: -1 }, element("small", { text: fill(words.lesson_of, facts) }), ` ${facts.title}`),
      element(
        "div",
        { className: "lesson-steps" },
        button("back", words.lesson_back, () => open(facts.back), { disabled: facts.back === null }),
        button("next", words.lesson_next, () => open(facts.next), { disabled: facts.next === null }),
        button("close", "\u00d7", () => open(null), { "aria-label": words.lesson_close, title: words.lesson_close }),
      ),
    );
    const look = element(
      "p",
      { className: "look" },
      ...fill(words.lesson_look, { complete: words.complete }).split(/(\{tab\})/).map((part) =>
        part === "{tab}" ? button("tab", facts.tab_name, () => playground.openTab(facts.tab, facts.tab_name)) : part,
      ),
    );
    if (facts.tries.length) {
      const ways = [{ key: null, label: words.lesson_as_given }, ...facts.tries];
      const group = element("span", { className: "ways", role: "group", "aria-label": words.lesson_try });
      for (const { key, label } of ways)
        group.append(button("way", label, () => open(facts.key, key, "[aria-pressed=true]"), { "aria-pressed": String(key === facts.tried) }));
      look.append(" ", element("span", { text: words.lesson_try }), " ", group);
    }
    const says = facts.says.split("`").map((part, at) => (at % 2 ? element("code", {}, piece(part)) : part));
    stage.append(head, element("p", { className: "lesson-says" }, ...says), look);
    if (!wanted) return;
    if (wanted === "h2") stage.closest("section").scrollIntoView({ block: "start" });
    stage.querySelector(wanted)?.focus({ preventScroll: true });
    wanted = null;
  };
})();
