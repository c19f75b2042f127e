// Layout race: a lane for each prompt order, filled one after the other.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};
  const REPORT = "https://arxiv.org/abs/2406.11409";
  const ORDERS = { psm: ["prefix", "suffix"], spm: ["suffix", "prefix"], ltr: ["prefix"] };
  const NO_RACE = {
    lanes: Object.keys(ORDERS).map((layout) => ({ layout, state: "idle", order: [] })),
    running: false,
  };

  let held = NO_RACE; // the race in view: the server forgets it

  (playground.keepers ??= {}).race = {
    get: () => {
      const cut = ({ state }) => state === "waiting" || state === "writing";
      const lanes = held.lanes.map((lane) => (cut(lane) ? { ...lane, state: "cut" } : lane));
      return held === NO_RACE ? null : { ...held, lanes, running: false };
    },
    set: (kept) => (held = kept),
  };

  // The parts of the prompt in their order, and then the middle.
  function order({ layout, order: told }, words) {
    const { element } = playground;
    const parts = told.length ? told : ORDERS[layout].map((role) => [role, null]);
    return element(
      "ol",
      { className: "order", "aria-label": words.race_order },
      ...[...parts, ["middle", null]].map(([role, count]) =>
        element("li", { className: role }, words[`role_${role}`], count === null ? "" : element("small", { text: count })),
      ),
    );
  }

  function state(lane, words) {
    const { element, piece } = playground;
    const line = element("p", { className: `lane-state ${lane.state}` });
    const said = {
      idle: words.race_idle,
      waiting: lane.doing,
      writing: lane.doing,
      stopped: words.stop_you,
      cut: words.stop_cut,
      failed: words.stop_error,
      done: words[lane.stop_reason === "stop_token" ? (lane.stop_token ? "stop_token" : "stop_unnamed") : `stop_${lane.stop_reason}`],
    };
    line.append(said[lane.state] ?? "");
    if (lane.state === "done" && lane.stop_token)
      line.append(" ", element("code", { className: "role control" }, piece(lane.stop_token)));
    return line;
  }

  // The likelihood of tokens, in total and on average: a row and a bar.
  function likelihood({ logprob, per_token: mean }, words) {
    const { element, fill, percent, signed } = playground;
    const share = Math.exp(mean);
    return [
      row(words.race_logprob, fill(words.nats, { nats: signed(logprob) })),
      row(
        words.race_per_token,
        `${percent(share)} \u00b7 ${fill(words.nats, { nats: signed(mean) })}`,
        element("i", { className: "share", style: { "--share": share }, "aria-hidden": "true" }),
      ),
    ];
  }

  function row(name, value, ...more) {
    const { element } = playground;
    return element("div", {}, element("dt", { text: name }), element("dd", {}, value, ...more));
  }

  function figures(lane, known, words) {
    const exact = lane.exact ? `\u2713 ${words.race_yes}` : `\u2717 ${words.race_no}`;
    const { element, fill, percent } = playground;
    const list = element("dl", { className: "figures" });
    const count = (tokens) => (tokens === 1 ? words.token : fill(words.tokens, { count: tokens }));
    if (lane.prompt_tokens) list.append(row(words.race_prompt, count(lane.prompt_tokens)));
    if (typeof lane.ttft_s === "number")
      list.append(row(words.race_ttft, fill(words.race_seconds, { seconds: lane.ttft_s.toFixed(3) })));
    if (lane.written) list.append(row(words.race_written, count(lane.written)));
    if (lane.figures) list.append(...likelihood(lane.figures, words));
    else if (lane.written) list.append(row(words.race_logprob, words.not_told));
    if (!known || lane.state !== "done") return [list];
    const truth = element("dl", { className: "figures truth" });
    const scored = lane.truth && !lane.truth.error && !lane.truth.doing;
    const ends = typeof lane.truth?.ends === "number" ? percent(lane.truth.ends) : words.not_told;
    const head = row(words.race_truth, scored ? count(lane.truth.tokens) : "");
    head.className = "truth-head";
    truth.append(head, row(words.race_exact, exact));
    if (scored) truth.append(...likelihood(lane.truth, words), row(words.race_ends, ends));
    const why = lane.truth?.error ? `${lane.truth.error.title}: ${lane.truth.error.message}` : (lane.truth?.doing ?? words.race_truth_waits);
    return scored ? [list, truth] : [list, truth, element("p", { className: "hint", text: why })];
  }

  function draw(lane, known, words) {
    const { element, fill, trouble } = playground;
    const name = words[`layout_${lane.layout}`];
    const card = element("article", { className: `lane ${lane.state}`, "data-layout": lane.layout, "aria-label": name });
    const trained = element("p", { className: "trained" });
    if (typeof lane.trained === "boolean") {
      trained.classList.add(lane.trained ? "yes" : "no");
      trained.append(`${lane.trained ? "\u2713" : "\u2717"} ${lane.trained ? words.race_trained : words.race_untrained}`);
    }
    const text = element(
      "pre",
      { tabindex: 0, "aria-label": fill(words.race_middle, { layout: name }) },
      element("code", { className: "role middle", text: lane.middle ?? "" }),
    );
    if (lane.state === "writing") text.append(element("span", { className: "cursor" }));
    card.append(element("h3", { text: name }), trained, order(lane, words), text, state(lane, words));
    if (lane.error) card.append(trouble(lane.error));
    card.append(...figures(lane, known, words));
    if (lane.recording) {
      const show = element("button", { type: "button", className: "go-on", text: words.race_show });
      show.addEventListener("click", () => {
        if (document.getElementById("complete")?.disabled) return;
        playground.ask("show-ask", { recording: lane.recording, parent: null });
      });
      card.append(show);
    }
    return card;
  }

  playground.views.race = (stage, { words }) => {
    const { element, fill, starter } = playground;
    const head = element("p", { className: "start-line" }, starter(words.race_start, "race-ask"));
    // Without sampling a seed has no effect.
    if (held.seed !== undefined && !held.greedy)
      head.append(element("span", { className: "hint", text: fill(words.race_seed, { seed: held.seed }) }));
    const lanes = element("div", { className: "lanes" }, ...held.lanes.map((lane) => draw(lane, held.known, words)));
    const notes = element("ul", { className: "notes" });
    if (held.mixed) notes.append(element("li", { className: "mixed", text: words.race_mixed }));
    notes.append(
      element("li", { text: words.race_sums }),
      element("li", { text: words.race_cached }),
      element(
        "li",
        { text: `${words.race_codegemma} ` },
        element("a", { href: REPORT, target: "_blank", rel: "noopener noreferrer", text: words.race_report }),
      ),
    );
    stage.append(head, lanes, notes);
  };

  playground.views.race.told = (facts) => {
    if (facts.lanes) held = facts;
  };
})();
