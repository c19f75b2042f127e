// Shared by the comparisons: the start button, the line of a run in progress, errors, figures.
(() => {
  const playground = (window.playground ??= {});
  let asked = null; // whose button was pressed last: it keeps the focus, though it rests and is drawn anew

  const busy = () => document.getElementById("complete")?.disabled ?? false;

  function giveBack() {
    const button = asked && !busy() && document.querySelector(`.view .start[data-asks="${asked}"]`);
    if (button && document.activeElement === document.body) button.focus({ preventScroll: true });
  }

  // If the user does something else meanwhile, the focus stays there.
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(kind, (event) => event.key !== "Escape" && (asked = null), true);

  // A button that sends a request through a hidden field, and is disabled while the page's own button is.
  playground.starter = (label, field) => {
    const button = playground.element("button", { type: "button", className: "start", "data-asks": field, text: label });
    button.disabled = busy();
    button.addEventListener("click", () => {
      if (busy()) return;
      asked = field;
      playground.ask(field, {});
    });
    requestAnimationFrame(giveBack); // it stands on the page by then
    return button;
  };

  function follow() {
    const rests = busy();
    for (const button of document.querySelectorAll(".view .start"))
      if (button.disabled !== rests) button.disabled = rests;
    giveBack();
  }

  // A string with its `{name}`s replaced by strings and elements.
  playground.fillIn = (text, values) =>
    text.split(/\{(\w+)\}/).map((part, at) => (at % 2 ? (values[part] ?? `{${part}}`) : part));

  // The line under the middle, while a completion runs, for a view where that line is out of sight.
  let watched = null;

  function repeat() {
    const line = watched?.querySelector(".caption.running");
    for (const place of document.querySelectorAll(".view .run-state")) {
      const text = line?.textContent ?? "";
      if (place.textContent !== text) place.textContent = text;
    }
  }

  playground.runState = () => {
    const caption = document.getElementById("caption");
    if (caption && caption !== watched) {
      watched = caption;
      new MutationObserver(repeat).observe(caption, { subtree: true, childList: true, characterData: true });
    }
    requestAnimationFrame(repeat); // it stands on the page by then
    return playground.element("p", { className: "run-state" });
  };

  playground.trouble = ({ title, advice, message, hint }) => {
    const { element } = playground;
    const box = element("div", { className: "notice error", role: "alert" }, element("strong", { text: title }));
    for (const said of [advice, message, hint]) if (said) box.append(element("p", { text: said }));
    return box;
  };

  playground.signed = (nats) => {
    const shown = Math.abs(nats).toFixed(2);
    return Number(shown) === 0 ? shown : `${nats > 0 ? "+" : "\u2212"}${shown}`;
  };

  function start() {
    new MutationObserver(follow).observe(document.body, { subtree: true, attributeFilter: ["disabled"] });
  }

  playground.onBody(start);
})();
