// Hole quiz: hide a part of a program, guess it, let the model fill it in, compare both with the hidden code.
//
// The hidden code stays in this page until the comparison. Hiding and restoring are edits of the two editors, which
// can be undone. The program is shown here as well, before and after, so that nobody has to look for it elsewhere.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};
  const SIDES = ["before", "after"];
  const SUPERSCRIPTS = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";
  let hole = null; // { prefix, truth, suffix, guess, compared } of what is hidden
  let last = "before"; // the editor that had the focus last, or the program as the quiz shows it
  let program = 0; // the next one to load
  let compareNow = () => {};

  (playground.keepers ??= {}).quiz = {
    get: () => (hole || program ? { hole, program } : null),
    set: (kept) => ({ hole, program } = kept),
  };

  // Ctrl+Enter in the guess compares; handled on the window, since elsewhere it completes (shortcuts.js).
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.target.id !== "quiz-guess" || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      event.stopPropagation();
      compareNow();
    },
    true,
  );

  document.addEventListener("focusin", (event) => {
    const editor = event.target.closest?.("#before, #after, #quiz-program");
    if (editor) last = editor.id;
  });

  // The whole program, as it stands in the editors, where it can be selected with a finger too.
  let due = null;
  function showProgram() {
    due = null;
    const field = document.getElementById("quiz-program");
    if (!field) return;
    const text = SIDES.map(textOf).join("");
    if (field.value !== text) field.value = text;
    field.hidden = text === "";
  }
  playground.editors.listen((id, update) => {
    if (SIDES.includes(id) && (!update || update.docChanged)) due ??= setTimeout(showProgram, 100);
  });

  const viewOf = playground.editors.view;
  const textOf = playground.editors.text;

  // Replace the middle of what differs, so that undo and the caret stay near it.
  function write(id, text) {
    const view = viewOf(id);
    const old = textOf(id);
    let from = 0;
    while (from < Math.min(old.length, text.length) && old[from] === text[from]) from++;
    let end = 0;
    while (end < Math.min(old.length, text.length) - from && old.at(-1 - end) === text.at(-1 - end)) end++;
    const insert = text.slice(from, text.length - end);
    const changes = { from, to: old.length - end, insert };
    view.dispatch({ changes, selection: { anchor: from + insert.length }, userEvent: "input.hide" });
  }

  function selected() {
    const field = document.getElementById("quiz-program");
    if (last === "quiz-program" && field) {
      const { selectionStart: from, selectionEnd: to, value } = field;
      const code = value.slice(from, to).trim();
      const start = from + value.slice(from, to).indexOf(code);
      return code ? { id: null, from: start, to: start + code.length } : null;
    }
    for (const id of [last, ...SIDES.filter((one) => one !== last)]) {
      const view = viewOf(id);
      const { from, to } = view?.state.selection.main ?? {};
      const text = from === to ? "" : view.state.sliceDoc(from, to);
      const code = text.trim(); // the blanks around it stay in the editors: nobody has to guess those
      const start = from + text.indexOf(code);
      if (code) return { id, from: start, to: start + code.length };
    }
    return null;
  }

  function hide() {
    const chosen = selected();
    if (!chosen) return false;
    const { id, from, to } = chosen;
    const [before, after] = SIDES.map(textOf);
    const text = id ? textOf(id) : before + after;
    hole = {
      prefix: (id === "after" ? before : "") + text.slice(0, from),
      truth: text.slice(from, to),
      suffix: text.slice(to) + (id === "before" ? after : ""),
      guess: "",
      compared: null,
    };
    write("before", hole.prefix);
    write("after", hole.suffix);
    return true;
  }

  // The program with its hole, which holds the guess so far.
  function holed(words) {
    const { element } = playground;
    const gap = element("mark", { className: "gap" });
    const pre = element("pre", { className: "holed", tabindex: 0, role: "group", "aria-label": words.quiz_program }, hole.prefix, gap, hole.suffix);
    const fillIn = () => (gap.textContent = hole.guess || "?");
    fillIn();
    requestAnimationFrame(() => (pre.scrollTop = gap.offsetTop - pre.clientHeight / 2));
    return { pre, fillIn };
  }

  // Whether the editors still hold the code around the hole, wherever Complete has parted it.
  const intact = () => hole && textOf("before") + textOf("after") === hole.prefix + hole.suffix;

  function likelihood(logprob, words) {
    const { fill, percent } = playground;
    const share = Math.exp(logprob);
    if (share >= 0.001) return percent(share);
    const times = Math.exp(-logprob);
    const power = String(Math.round(-logprob / Math.LN10)).replace(/\d/g, (digit) => SUPERSCRIPTS[digit]);
    const many = times < 1e9 ? Math.round(times).toLocaleString(words.quiz_locale) : `10${power}`;
    return fill(words.quiz_one_in, { many });
  }

  function table({ rows, parsed }, words) {
    const { element, fill, signed } = playground;
    const yes = (value, said, not) => (value === null ? element("span", { className: "unknown", text: words.quiz_not_parsed }) : element("span", { className: value ? "yes" : "no", text: `${value ? "\u2713" : "\u2717"} ${value ? said : not}` }));
    const head = ["quiz_who", "quiz_text", "quiz_exact", "quiz_parses", "quiz_likelihood"].map((key) => element("th", { scope: "col", text: words[key] }));
    const body = rows.map(({ who, text, exact, parses, logprob, tokens }) =>
      element(
        "tr",
        { "data-who": who },
        element("th", { scope: "row", text: words[`quiz_${who}`] }),
        element("td", { "data-label": words.quiz_text }, element("pre", { text: text === "" ? words.quiz_nothing : text })),
        element("td", { "data-label": words.quiz_exact }, who === "truth" ? "\u2013" : yes(exact, words.quiz_same, words.quiz_other)),
        element("td", { "data-label": words.quiz_parses }, yes(parses, words.quiz_is_python, words.quiz_no_python)),
        element("td", { "data-label": words.quiz_likelihood }, logprob === null ? words.quiz_unscored : element("span", {}, element("b", { text: likelihood(logprob, words) }), element("small", { text: ` log p ${signed(logprob)} \u00b7 ${fill(words.quiz_tokens, { count: tokens })}` }))),
      ),
    );
    const made = element("table", { className: "compared" }, element("caption", { text: words.quiz_compared }), element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
    const notes = [words.quiz_likelihood_is];
    if (!parsed) notes.push(words.quiz_only_python);
    return [made, element("p", { className: "hint", text: notes.join(" ") })];
  }

  // The conclusion from the table, in words.
  function verdict({ rows }, words) {
    const { fill } = playground;
    const of = Object.fromEntries(rows.map((row) => [row.who, row]));
    const found = of.you.exact ? (of.model.exact ? "both" : "you_only") : of.model.exact ? "model_only" : "neither";
    const parts = [words[`quiz_${found}`]];
    if (!of.model.exact && of.model.logprob !== null && of.truth.logprob !== null) {
      const ratio = Math.exp(of.model.logprob - of.truth.logprob);
      const times = (ratio < 1 ? 1 / ratio : ratio).toLocaleString(words.quiz_locale, { maximumSignificantDigits: 2 });
      parts.push(fill(ratio < 1 ? words.quiz_truth_likelier : words.quiz_truth_less_likely, { times }));
    }
    return parts.join(" ");
  }

  playground.views.quiz = (stage, facts) => {
    const { element, fill } = playground;
    const { words } = facts;
    if (facts.state === "compared" && hole) hole.compared = facts.comparison;
    const button = (className, text, onclick, more = {}) => element("button", { type: "button", className, text, onclick, ...more });
    const said = element("p", { className: "said", role: "status" });
    const redraw = () => {
      stage.replaceChildren();
      playground.views.quiz(stage, { ...facts, state: "idle" });
    };
    stage.append(element("h3", { text: words.quiz_title }), element("p", { className: "intro", text: words.quiz_says }));

    if (!hole) {
      const choose = () => {
        if (!hide()) said.textContent = words.quiz_nothing_selected;
        else {
          redraw();
          stage.querySelector("#quiz-guess").focus({ preventScroll: true });
          stage.querySelector(".compare").scrollIntoView({ block: "nearest" });
          stage.querySelector(".holed").scrollIntoView({ block: "nearest" });
        }
      };
      const field = element("textarea", { id: "quiz-program", rows: 10, readonly: true, "aria-label": words.quiz_program, spellcheck: "false", hidden: true });
      const load = () => {
        playground.ask("lesson-ask", { program: program++ });
        field.hidden = false;
        said.scrollIntoView({ block: "nearest" });
      };
      stage.append(element("p", { text: words.quiz_how }), field, button("punch", words.quiz_hide, choose), " ", button("load", words.quiz_load, load), said);
      showProgram();
      return;
    }

    const lines = hole.truth.split("\n").length;
    const guess = element("textarea", { id: "quiz-guess", rows: Math.min(8, lines + 1), spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
    guess.value = hole.guess;
    const { pre, fillIn } = holed(words);
    guess.addEventListener("input", () => {
      hole.guess = guess.value;
      fillIn();
    });
    const compare = () => {
      if (document.getElementById("complete").disabled) return;
      if (!intact()) {
        said.textContent = words.quiz_changed;
        return;
      }
      said.textContent = words.quiz_busy;
      hole.compared = null;
      const { prefix, truth, suffix } = hole;
      write("before", prefix);
      write("after", suffix);
      playground.ask("quiz-ask", { prefix, truth, suffix, guess: guess.value });
    };
    compareNow = compare;
    const back = () => {
      if (!intact()) said.textContent = words.quiz_changed;
      else {
        const { prefix, truth, suffix } = hole;
        write("before", prefix + truth + suffix);
        write("after", "");
      }
      hole = null;
      const kept = said.textContent;
      redraw();
      stage.querySelector(".said").textContent = kept;
      stage.querySelector(".punch").focus();
    };
    stage.append(
      pre,
      element("p", { text: fill(words.quiz_hidden, { characters: hole.truth.length }) }),
      element("label", { for: "quiz-guess", text: words.quiz_guess }),
      guess,
      button("compare", words.quiz_compare, compare),
      " ",
      button("put-back", words.quiz_back, back),
      said,
      playground.runState(),
    );
    if (facts.state === "busy") said.textContent = words.quiz_busy;
    if (facts.state === "scoring") said.textContent = words.quiz_scoring;
    if (facts.state === "failed") said.textContent = words.quiz_failed;
    if (!hole.compared) return;
    stage.append(element("p", { className: "verdict", text: verdict(hole.compared, words) }), ...table(hole.compared, words));
  };
})();
