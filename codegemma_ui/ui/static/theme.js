// Light and dark without a reload, and one palette for code in both.
//
// Gradio fixes the theme of each CodeMirror when it is created (6.31), so its colours would not follow the
// switch. Its highlight classes are found by the order in which Gradio defines them, and recoloured with the
// variables of colours.css. If they are not found, Gradio's colours stay.
(() => {
  const KEY = "playground-theme";
  // basicLight and basicDark of @gradio/code list their tags in this order.
  const TAGS = [
    "keyword", "name", "variable", "function", "name", "constant", "definition", "bracket", "meta",
    "number", "type", "operator", "keyword", "bracket", "bracket", "variable", "string", "plain",
    "string", "string", "constant", "meta", "comment", "plain", "keyword", "variable", "plain",
    "keyword", "keyword", "keyword", "keyword", "keyword", "constant", "constant", "variable", "plain",
  ];
  const FIRST_TWO = [["rgb(94, 129, 172)", "rgb(208, 135, 112)"], ["rgb(253, 163, 49)", "rgb(181, 189, 104)"]];

  function highlightClasses() {
    for (const sheet of document.styleSheets) {
      let rules;
      try {
        rules = [...sheet.cssRules];
      } catch {
        continue; // another origin's
      }
      if (!rules.some((rule) => rule.selectorText?.startsWith(".\u037c"))) continue;
      for (let at = 0; at + TAGS.length <= rules.length; at++) {
        const colours = [rules[at].style?.color, rules[at + 1].style?.color];
        if (FIRST_TWO.some((two) => two[0] === colours[0] && two[1] === colours[1]))
          return rules.slice(at, at + TAGS.length).map((rule) => rule.selectorText);
      }
    }
    return null;
  }

  function colourCode() {
    if (document.getElementById("code-colours")) return true;
    const classes = highlightClasses();
    if (!classes) return false;
    const style = document.createElement("style");
    style.id = "code-colours";
    style.textContent = classes
      .map((name, index) => `.cm-editor ${name} { color: var(--code-${TAGS[index]}); }`)
      .join("\n");
    document.head.append(style);
    return true;
  }

  // If the browser forbids storage, the choice holds until the page is left.
  function kept() {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null;
    }
  }

  function keep(theme) {
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // see above
    }
  }

  const apply = (dark) => document.body.classList.toggle("dark", dark);

  function start() {
    const asked = new URLSearchParams(location.search).get("__theme");
    const chosen = kept();
    if (!asked && chosen) apply(chosen === "dark");
    const observer = new MutationObserver(() => colourCode() && observer.disconnect());
    observer.observe(document.documentElement, { childList: true, subtree: true });
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#theme")) return;
    const dark = !document.body.classList.contains("dark");
    apply(dark);
    keep(dark ? "dark" : "light");
    const address = new URL(location.href);
    if (address.searchParams.has("__theme")) {
      address.searchParams.set("__theme", dark ? "dark" : "light");
      history.replaceState(null, "", address);
    }
  });

  window.playground.onBody(start);
})();
