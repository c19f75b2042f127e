// Accessibility attributes that Gradio does not let us set: the labels of the editors and of groups of radio
// buttons, the status line as a live region, and the language of the document; and the names of tokens.
(() => {
  const playground = (window.playground ??= {});
  const BLANKS = { " ": "space", "\n": "line", "\t": "tab" };

  // A token in words: spaces and line breaks are signs on the screen, and silence in a name.
  playground.spoken = (text, words) =>
    text
      .split(/( +|\n+|\t+)/)
      .filter((run) => run !== "")
      .map((run) => {
        const kind = BLANKS[run[0]];
        if (!kind) return run;
        if (run.length === 1) return words[`spoken_${kind}`];
        return playground.fill(words[`spoken_${kind}s`], { count: run.length });
      })
      .join(" ");

  // A token as it is drawn, with that name.
  playground.named = (text, words) =>
    playground.element("span", { role: "img", "aria-label": playground.spoken(text, words) }, playground.piece(text));

  const EDITORS = ["before", "after", "middle"];
  let planned = false;

  const set = (element, name, value) => {
    if (element && value && element.getAttribute(name) !== value) element.setAttribute(name, value);
  };

  function nameAll() {
    planned = false;
    for (const id of EDITORS) {
      const block = document.getElementById(id);
      const head = block?.querySelector("label, [data-testid='block-label']");
      const label = head?.textContent.trim();
      set(head, "data-says", document.querySelector("#title [lang]")?.dataset[id]);
      set(block?.querySelector(".cm-content, .empty"), "aria-label", label);
      set(block?.querySelector(".empty"), "role", "group");
    }
    const { autoLength, oneLine } = document.querySelector("#title [lang]")?.dataset ?? {};
    set(document.getElementById("auto-length"), "title", autoLength);
    set(document.getElementById("one-line"), "title", oneLine);
    const middle = document.querySelector("#middle .cm-content"); // which cannot be edited, but scrolled and copied
    set(middle, "tabindex", "0");
    set(middle, "aria-readonly", "true");
    set(document.getElementById("caption"), "data-stale", document.querySelector("#title [lang]")?.dataset.stale);
    // Gradio says "number input for …" and "range slider for …" in English.
    for (const input of document.querySelectorAll(".block input[type=number], .block input[type=range]"))
      set(input, "aria-label", input.closest(".block").querySelector("[data-testid='block-info']")?.textContent.trim());
    // Gradio's legend is a mere span.
    for (const group of document.querySelectorAll("fieldset.block"))
      set(group, "aria-label", group.querySelector("[data-testid='block-info']")?.textContent.trim());
    const status = document.getElementById("status");
    set(status, "role", "status");
    set(status, "aria-live", "polite");
    const theme = document.getElementById("theme");
    set(theme, "title", theme?.textContent.trim());
    set(document.documentElement, "lang", document.querySelector("#title [lang]")?.lang);
  }

  function start() {
    new MutationObserver(() => {
      if (planned) return;
      planned = true;
      requestAnimationFrame(nameAll);
    }).observe(document.body, {
      subtree: true,
      childList: true,
      characterData: true,
      attributeFilter: ["aria-label"],
    });
  }

  // The chosen language is kept in the address, for a reload or a link.
  document.addEventListener("change", (event) => {
    const choice = event.target.closest?.("#language-choice input");
    if (!choice) return;
    const address = new URL(location.href);
    address.searchParams.set("lang", choice.value);
    history.replaceState(null, "", address);
  });

  playground.onBody(start);
})();
