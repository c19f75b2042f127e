// Suffix gain: a bar for each token, up if the suffix made it likelier, down if less likely.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};
  const EVEN = 0.1; // nats: less than this is no difference

  let held = { state: "idle" }; // the comparison in view: the server forgets it

  (playground.keepers ??= {}).suffix = {
    get: () => (held.state === "idle" ? null : { ...held, state: ["with", "without"].includes(held.state) ? "cut" : held.state }),
    set: (kept) => (held = kept),
  };

  const gain = ([, , one, other]) => one - other;
  const direction = (nats) => (Math.abs(nats) < EVEN ? "even" : nats > 0 ? "up" : "down");

  // The sentence, with its token drawn as elsewhere.
  function sentence(words) {
    const { element, fillIn, piece } = playground;
    const parts = held.reading.flatMap(({ key, values }) => {
      const shown = values.piece === undefined ? values : { ...values, piece: element("code", {}, piece(values.piece)) };
      return [...fillIn(words[key], shown), " "];
    });
    return element("p", { className: "reading", role: "status" }, ...parts);
  }

  // Bars on one scale, with the zero line.
  function strip(tokens, words, onchoose) {
    const { element, signed } = playground;
    const gains = tokens.map(gain);
    const most = Math.max(0, ...gains);
    const least = Math.min(0, ...gains);
    const whole = Math.max(most - least, EVEN);
    const bars = gains.map((nats, at) => {
      const bar = element("i", { className: `gain ${direction(nats)}`, style: { "--size": Math.abs(nats) / whole } });
      if (nats < 0) bar.classList.add("below");
      bar.addEventListener("click", () => onchoose(at));
      return bar;
    });
    const chart = element(
      "div",
      {
        className: "gains",
        role: "img",
        "aria-label": words.suffix_strip,
        style: { "--zero": -least / whole, "--count": tokens.length },
      },
      ...bars,
    );
    const scale = element(
      "div",
      { className: "scale", "aria-hidden": "true" },
      element("small", { text: signed(most) }),
      element("small", { text: signed(least) }),
    );
    return { box: element("div", { className: "chart" }, scale, chart), bars };
  }

  function compare(stage, words) {
    const { element, piece, fill, named, percent, signed, spoken, cells: group } = playground;
    const { tokens } = held;
    const told = element("div", { className: "others two", "aria-live": "polite" });
    const shares = tokens.map(([, , one, other]) => [percent(Math.exp(one)), percent(Math.exp(other))]);
    const nats = tokens.map((token) => fill(words.nats, { nats: signed(gain(token)) }));
    let lit = null;
    const tell = (at) => {
      const [, name, one, other] = tokens[at];
      const bar = (kind, logprob, shown) =>
        element(
          "li",
          { className: kind },
          element("span", { text: words[`suffix_${kind}`] }),
          element("i", { className: "share", style: { "--share": Math.exp(logprob) }, "aria-hidden": "true" }),
          element("span", { text: shown }),
        );
      told.replaceChildren(
        element("p", {}, `${fill(words.token_number, { at: at + 1 })}: `, named(name, words), ` \u00b7 ${nats[at]}`),
        element("ul", {}, bar("with", one, shares[at][0]), bar("without", other, shares[at][1])),
      );
      lit?.classList.remove("lit");
      lit = chart.bars[at];
      lit.classList.add("lit");
    };
    const cells = tokens.map((token, at) => {
      const name = `${spoken(token[1], words)}, ${words.suffix_with} ${shares[at][0]}, ${words.suffix_without} ${shares[at][1]}, ${nats[at]}`;
      return element(
        "button",
        { type: "button", className: `cell gained ${direction(gain(token))}`, "aria-label": name },
        piece(token[1]),
        element("small", { text: signed(gain(token)) }),
      );
    });
    const { box, choose } = group(cells, words.suffix_strip, tell);
    cells.forEach((cell, at) => {
      if (tokens[at][1].includes("\n")) cell.after(element("span", { className: "break" }));
    });
    const chart = strip(tokens, words, (at) => choose(at, true));
    stage.append(chart.box, box, told);
    const strongest = tokens.map((token) => Math.abs(gain(token)));
    const first = strongest.indexOf(Math.max(...strongest));
    choose(first);
    tell(first);
  }

  playground.views.suffix = (stage, { words }) => {
    const { element, fill, starter, trouble } = playground;
    const said = {
      idle: words.suffix_idle,
      nothing: words.suffix_nothing,
      none: words.suffix_none,
      other_model: words.suffix_other_model,
      with: held.doing,
      without: held.doing,
      stopped: words.stop_you,
      cut: words.stop_cut,
      late: words.stop_time_limit,
    }[held.state];
    stage.append(element("p", { className: "start-line" }, starter(words.suffix_start, "suffix-ask")));
    if (said) stage.append(element("p", { className: "state", role: "status", text: said }));
    if (held.error) stage.append(trouble(held.error));
    if (held.state !== "done") return;
    stage.append(sentence(words));
    compare(stage, words);
    const how = fill(words.suffix_how, { layout: words[`layout_${held.layout}`] });
    stage.append(element("p", { className: "hint", text: held.was_ltr ? `${words.suffix_was_ltr} ${how}` : how }));
  };

  playground.views.suffix.told = (facts) => {
    if (facts.state) held = facts;
  };
})();
