// The lesson views: each is a section with facts as JSON, which the script of its name draws into its stage.
//
// Text of users and models is set as text, never as markup. A hidden view is drawn when its tab is opened.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};

  const VISIBLE = { " ": "\u2423", "\n": "\u23ce", "\t": "\u21e5", "\r": "\u240d" };

  // An element: its class, text or attributes, and its children.
  playground.element = (tag, properties = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === undefined || value === null || value === false) continue;
      if (name === "text") element.textContent = value;
      else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
      else if (name === "onclick") element.addEventListener("click", value);
      else element.setAttribute(name === "className" ? "class" : name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  };

  // A token's text with its spaces, tabs and line breaks as signs.
  playground.piece = (text) => {
    const { element } = playground;
    const parts = text.split(/([ \n\t\r])/).filter((part) => part !== "");
    return element(
      "span",
      { className: "piece" },
      ...parts.map((part) => (part in VISIBLE ? element("i", { className: "blank", text: VISIBLE[part] }) : part)),
    );
  };

  // A string of the page with its `{name}`s replaced.
  playground.fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  // The middle of a recording: its tokens up to the first stop.
  const PAST_END = 2; // a token's flag
  playground.middleOf = ({ tokens }) => tokens.map(([, , text, , , flags]) => (flags & PAST_END ? "" : text)).join("");

  playground.percent = (share) => {
    const percent = 100 * share;
    if (percent > 0 && percent < 0.1) return "<0.1%";
    return `${percent.toFixed(percent >= 99.95 || percent >= 10 ? 0 : 1)}%`;
  };

  // Send something to the server through a hidden field.
  let asked = 0;
  playground.ask = (id, question) => {
    const field = document.querySelector(`#${id} textarea, #${id} input`);
    if (!field) return;
    field.value = JSON.stringify({ ...question, asked: ++asked }); // the same question twice is two questions
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  // Cells that are one tab stop: arrows, Home and End move between them, `light` is called with the active one.
  playground.cells = (cells, label, light) => {
    const { element } = playground;
    const box = element("div", { className: "cells", role: "group", "aria-label": label }, ...cells);
    let current = null;
    const choose = (cell, focus) => {
      if (current) {
        current.tabIndex = -1;
        current.classList.remove("lit");
      }
      current = cell;
      cell.tabIndex = 0;
      cell.classList.add("lit");
      if (focus) cell.focus({ preventScroll: false });
    };
    for (const cell of cells) cell.tabIndex = -1;
    if (cells.length) cells[0].tabIndex = 0;
    const cellOf = (event) => event.target.closest?.(".cell");
    box.addEventListener("pointerover", (event) => {
      const cell = cellOf(event);
      if (!cell) return;
      choose(cell);
      light(cells.indexOf(cell));
    });
    box.addEventListener("focusin", (event) => {
      const cell = cellOf(event);
      if (!cell) return;
      choose(cell);
      light(cells.indexOf(cell));
    });
    box.addEventListener("keydown", (event) => {
      const at = cells.indexOf(cellOf(event));
      if (at < 0) return;
      const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
      let next = null;
      if (event.key in steps) next = at + steps[event.key];
      else if (event.key === "Home") next = 0;
      else if (event.key === "End") next = cells.length - 1;
      if (next === null || !cells[next]) return;
      event.preventDefault();
      choose(cells[next], true);
    });
    return { box, choose: (at, focus) => cells[at] && choose(cells[at], focus) };
  };

  // Nodes in lines, each ended by a null; a line that is out of view is neither laid out nor painted.
  playground.lines = (nodes) => {
    const lines = [];
    let line = null;
    for (const node of nodes) {
      if (!line) lines.push((line = playground.element("div", { className: "line" })));
      if (node) line.append(node);
      else line = null;
    }
    return lines;
  };

  // The facts of a view, with the strings of the page's language, which are sent once for each; null until then.
  const words = { spelled: "", of: {} };
  function factsOf(node) {
    const facts = JSON.parse(node.textContent);
    if (!facts.language) return facts; // nothing of it is drawn
    const source = document.getElementById("view-words");
    if (source?.lang !== facts.language) return null;
    if (words.spelled !== source.textContent) {
      words.spelled = source.textContent;
      words.of = JSON.parse(words.spelled);
    }
    return { ...facts, words: words.of };
  }

  // The facts of a view can be observed, whether it is visible or not: `playground.listeners.<name>` are functions
  // of the facts.
  playground.listeners ??= {};
  function hear(section) {
    const facts = section.querySelector(":scope > .facts");
    const listeners = playground.listeners[section.dataset.view];
    if (!facts || !listeners || facts.dataset.heard) return;
    const told = factsOf(facts);
    if (!told) return;
    facts.dataset.heard = "yes";
    for (const listener of listeners) listener(told);
  }
  // At once, since the next frame may be too late: a page in the background paints none.
  playground.hearAll = () => document.querySelectorAll("section.view").forEach(hear);

  function draw(section) {
    const facts = section.querySelector(":scope > .facts");
    const stage = section.querySelector(":scope > .stage");
    const view = playground.views[section.dataset.view];
    if (!facts || !stage || !view || facts.dataset.drawn) return;
    const visible = section.offsetParent !== null;
    if (facts.dataset.told && !visible) return;
    const told = factsOf(facts);
    if (!told) return;
    if (!facts.dataset.told) {
      facts.dataset.told = "yes";
      view.told?.(told); // a view that keeps what it is told is told at once
    }
    if (!visible) return;
    facts.dataset.drawn = "yes";
    stage.replaceChildren();
    view(stage, told);
  }

  const drawAll = () => {
    const sections = document.querySelectorAll("section.view");
    sections.forEach(hear);
    sections.forEach(draw);
  };

  function start() {
    let planned = false;
    new MutationObserver(() => {
      if (planned) return;
      planned = true;
      requestAnimationFrame(() => {
        planned = false;
        drawAll();
      });
    }).observe(document.body, { subtree: true, childList: true, attributeFilter: ["style", "class", "hidden"] });
  }

  playground.onBody(start);
})();
