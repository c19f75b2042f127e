// What the comparisons have in common: the button that starts one, what is said while it waits, errors.
(() => {
  const playground = (window.playground ??= {});
  let asked = null; // whose button was pressed last: it keeps the focus, though it rests and is drawn anew

  const busy = () => document.getElementById("complete")?.disabled ?? false;

  function giveBack() {
    const button = asked && !busy() && document.querySelector(`.view .start[data-asks="${asked}"]`);
    if (button && document.activeElement === document.body) button.focus({ preventScroll: true });
  }

  // Who does something else meanwhile has the focus where they want it.
  for (const kind of ["pointerdown", "keydown"])
    document.addEventListener(kind, (event) => event.key !== "Escape" && (asked = null), true);

  // A button that asks the server by a hidden field, and rests while the page's own button does.
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

  // Strings and elements in the places of a string's `{name}`s.
  playground.fillIn = (text, values) =>
    text.split(/\{(\w+)\}/).map((part, at) => (at % 2 ? (values[part] ?? `{${part}}`) : part));

  // Why nothing has come yet.
  playground.waiting = ({ ahead, waits_for: what }, words, otherwise) => {
    if (ahead) return playground.fill(words.caption_queued, { ahead });
    return what ? playground.fill(words.caption_waiting_for, { what }) : otherwise;
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

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
