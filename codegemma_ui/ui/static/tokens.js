// The middle token by token: shaded by probability, with alternatives, branches and the end.
//
// The page keeps its branches here, each as the recording that the server sent when it ended. The server is
// requested to generate another one, or to show one again.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};
  const FORCED = 1;
  const PAST_END = 2;
  const UNSURE = 0.5; // less likely than this is underlined, less than VERY_UNSURE twice
  const VERY_UNSURE = 0.2;
  const MOST_BRANCHES = 40;

  let branches = []; // { recording, key, parent, at }
  let current = -1;

  const middleOf = (recording) =>
    recording.tokens.map(([, piece, text, , , flags]) => (flags & PAST_END ? piece : text)).join("");

  // The index of this recording among the branches; one that is not a branch of any starts a new list.
  function place({ recording, parent }) {
    const key = JSON.stringify(recording);
    current = branches.findIndex((one) => one.key === key);
    if (current >= 0) return;
    if (!parent || !branches[parent.branch]) branches = [];
    if (branches.length >= MOST_BRANCHES) branches = branches.slice(0, 1);
    const known = parent && branches[parent.branch];
    branches.push({ recording, key, parent: known ? parent.branch : null, at: known ? parent.at : null });
    current = branches.length - 1;
  }

  // The parent of a continuation of a recording; null if the view does not hold it.
  playground.branchOf = (recording) => {
    const key = JSON.stringify(recording);
    const branch = branches.findIndex((one) => one.key === key);
    return branch < 0 ? null : { branch, at: recording.tokens.length };
  };

  (playground.keepers ??= {}).tokens = {
    get: () => (branches.length ? { current, branches: branches.map(({ key, ...one }) => one) } : null),
    set: (kept) => {
      branches = kept.branches.map((one) => ({ ...one, key: JSON.stringify(one.recording) }));
      current = kept.current;
    },
  };

  const busy = () => document.getElementById("complete")?.disabled;

  function write(recording, forced, at) {
    if (busy()) return;
    playground.ask("branch-ask", {
      request: recording.request,
      ending: recording.ending,
      forced,
      parent: { branch: current, at },
    });
  }

  const show = (index) => {
    const { recording, parent, at } = branches[index];
    playground.ask("show-ask", { recording, parent: parent === null ? null : { branch: parent, at } });
  };

  // A share is null if a server does not report it.
  const shareOf = (logprob) => (logprob === null ? null : Math.exp(logprob));

  const level = (share) =>
    share === null ? "untold" : share < VERY_UNSURE ? "low" : share < UNSURE ? "middling" : "high";

  const sumOf = (tokens) =>
    tokens.some((token) => token[3] === null) ? null : tokens.reduce((total, token) => total + token[3], 0);

  function whyItStopped(recording, words) {
    const { element, fill, percent, piece } = playground;
    const { last, tokens } = recording;
    const reasons = {
      stop_token: words.stop_token,
      max_length: words.stop_max_length,
      time_limit: words.stop_time_limit,
      repetition: words.stop_repetition,
      stop_string: words.stop_stop_string,
      end_of_line: words.stop_end_of_line,
      server: words.stop_server,
    };
    const line = element("p", { className: "why" }, element("span", { text: reasons[last.stop_reason] ?? words.stop_you }));
    const final = tokens.at(-1);
    const named = last.stop_reason === "stop_token" && last.stop_token;
    if (last.stop_reason === "stop_token" && !named) line.replaceChildren(words.stop_unnamed);
    if (named) line.append(" ", element("code", { className: "role control" }, piece(final[1])));
    const chance = named ? shareOf(final[3]) : (final?.[4] ?? null);
    if (chance !== null) line.append(" · ", fill(words.tokens_stop_chance, { share: percent(chance) }));
    const ids = tokens.map(([id]) => id);
    const go = element("button", { type: "button", className: "go-on", text: words.tokens_keep_going });
    go.addEventListener("click", () => write(recording, ids, tokens.length));
    line.append(" ", go);
    return line;
  }

  function branchList(words) {
    const { element, fill, named, signed } = playground;
    const list = element("ol", { className: "branches", "aria-label": words.tokens_branches });
    const depth = (index) => (branches[index].parent === null ? 0 : 1 + depth(branches[index].parent));
    branches.forEach(({ recording, parent, at }, index) => {
      const name = element("span");
      if (parent === null) name.append(words.tokens_original);
      else {
        const before = branches[parent].recording.tokens[at];
        const now = recording.tokens[at];
        if (before && now && before[0] !== now[0]) {
          name.append(`${fill(words.tokens_branch, { at: at + 1 })}: `, named(now[1], words), " / ", element("s", {}, named(before[1], words)));
        } else name.append(fill(words.tokens_went_on, { at }));
      }
      const sum = sumOf(recording.tokens);
      const button = element(
        "button",
        { type: "button", "aria-current": index === current ? "true" : undefined },
        name,
        element("code", { text: middleOf(recording).slice(0, 60) }),
        sum === null ? "" : element("small", { text: `log p ${signed(sum)}` }),
      );
      button.addEventListener("click", () => !busy() && show(index));
      list.append(element("li", { style: { "--depth": depth(index) } }, button));
    });
    return list;
  }

  playground.views.tokens = (stage, facts) => {
    const { element, piece, fill, named, percent, signed, spoken, cells: group, lines } = playground;
    const { words } = facts;
    if (facts.recording) place(facts); // else what was shown last, in another language
    if (!branches[current]) return;
    const { recording } = branches[current];
    const { tokens } = recording;
    const sure = tokens.map(([, , , logprob]) => shareOf(logprob));
    const known = sure.filter((share) => share !== null).length;
    const told = (share) => (share === null ? words.not_told : percent(share));

    // 1. Overview: a bar per token, and below it the probability of an end.
    const strip = element(
      "div",
      { className: "strip", role: "img", "aria-label": words.tokens_strip },
      ...tokens.map((token, at) => {
        const bar = element("i", { className: `bar ${level(sure[at])}`, style: { "--share": sure[at], "--stop": token[4] } });
        bar.addEventListener("click", () => choose(at, true));
        return bar;
      }),
    );

    const legend = element(
      "ul",
      { className: "legend" },
      element("li", { className: "middle", text: words.tokens_sure }),
      element("li", { className: "middling", text: fill(words.tokens_below, { share: percent(UNSURE) }) }),
      element("li", { className: "low", text: fill(words.tokens_below, { share: percent(VERY_UNSURE) }) }),
      element("li", { className: "control", text: words.tokens_stop }),
    );

    // 2. The tokens.
    const hint = element("p", { className: "hint", text: words.tokens_focus });
    const others = element("div", { className: "others", "aria-live": "polite" }, hint);
    const cells = tokens.map(([, name, , , , flags], at) => {
      const kinds = [level(sure[at])];
      if (flags & FORCED) kinds.push("forced");
      if (flags & PAST_END) kinds.push("past");
      const ends = recording.last.stop_reason === "stop_token" && recording.last.stop_token;
      if (at === tokens.length - 1 && ends) kinds.push("control");
      return element(
        "button",
        {
          type: "button",
          className: `cell token ${kinds.join(" ")}`,
          style: { "--share": sure[at] },
          "aria-label": `${spoken(name, words)}, ${told(sure[at])}`,
        },
        piece(name),
      );
    });
    const tell = (at) => {
      const [id, name, , , stop, flags, alternatives] = tokens[at];
      const notes = [told(sure[at])];
      if (flags & FORCED) notes.push(words.tokens_forced);
      if (flags & PAST_END) notes.push(words.tokens_past);
      if (stop !== null) notes.push(fill(words.tokens_stop_chance, { share: percent(stop) }));
      const number = fill(words.token_number, { at: at + 1 });
      const head = element("p", {}, `${number}: `, named(name, words), ` · ${notes.join(" · ")}`);
      const list = element("ul");
      const listed = alternatives.some(([one]) => one === id);
      const all = listed ? alternatives : [...alternatives, [id, name, tokens[at][3]]];
      for (const [other, text, logprob] of all) {
        const share = shareOf(logprob);
        const chosen = other === id;
        const button = element(
          "button",
          {
            type: "button",
            disabled: chosen,
            "aria-label": `${spoken(text, words)}, ${told(share)}${chosen ? `, ${words.tokens_chosen}` : ""}`,
            title: chosen ? words.tokens_chosen : words.tokens_pick,
          },
          piece(text),
          share === null ? "" : element("i", { className: "share", style: { "--share": share } }),
          element("span", { text: `${told(share)}${chosen ? " \u2713" : ""}` }),
        );
        button.addEventListener("click", () => write(recording, [...tokens.slice(0, at).map(([one]) => one), other], at));
        list.append(element("li", {}, button));
      }
      const more = alternatives.length ? words.tokens_other : words.tokens_untold;
      others.replaceChildren(head, list, element("p", { className: "hint", text: more }));
    };
    const { box, choose } = group(cells, words.tokens_strip, tell);
    box.replaceChildren(...lines(cells.flatMap((cell, at) => (tokens[at][1].includes("\n") ? [cell, null] : [cell]))));

    // 3. The least sure token, and the next, by one key.
    const bySureness = tokens.map((_, at) => at).filter((at) => sure[at] !== null);
    bySureness.sort((one, other) => sure[one] - sure[other]);
    let next = 0;
    const leastSure = () => known && choose(bySureness[next++ % known], true);
    const unsure = element("button", { type: "button", className: "unsure", text: words.tokens_unsure });
    unsure.addEventListener("click", leastSure);
    stage.onkeydown = (event) => {
      if (event.key.toLowerCase() !== "u" || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      leastSure();
    };

    const sum = sumOf(tokens);
    const line = element("p", { className: "sum-line" });
    if (sum !== null) line.append(`${fill(words.tokens_sum, { count: tokens.length, logprob: signed(sum) })} `);
    else {
      const untold = known ? words.tokens_some_untold : words.tokens_untold;
      line.append(`${fill(words.tokens, { count: tokens.length })}. ${untold} `);
    }
    if (known) line.append(unsure);
    stage.append(line, ...(known ? [strip, legend] : []), box, whyItStopped(recording, words), others, playground.runState());
    if (branches.length > 1) stage.append(branchList(words));
  };
})();
