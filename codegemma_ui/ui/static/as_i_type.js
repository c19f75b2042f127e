// As I type, a switch that is off at first and kept by the browser: a pause completes, the next key cancels.
(() => {
  const playground = (window.playground ??= {});
  const { editors } = playground;
  const PAUSE_MS = 200;
  const KEPT = "playground-as-i-type";

  let on = false;
  let planned = null;
  let lastKey = 0;
  let waiting = false; // for the ghost of a completion that typing started
  let asked = false; // the completion that runs was started here
  let clicking = false;

  const button = (id) => document.getElementById(id);
  const running = () => button("stop")?.disabled === false;

  function remember() {
    try {
      localStorage.setItem(KEPT, on ? "on" : "off");
    } catch {
      // forbidden
    }
  }

  function complete() {
    planned = null;
    const view = editors.view("before");
    if (!on || !view || playground.ghost?.()) return; // what was typed is what the ghost said
    if (view.composing || running()) {
      plan(); // a completion that someone pressed for goes on, and one that was cancelled is about to end
      return;
    }
    if (!view.state.doc.length || button("complete")?.disabled) return;
    [waiting, asked] = [true, true];
    clicking = true;
    button("complete").click();
    clicking = false;
  }

  // What the server is told of a press: whether a pause in typing made it.
  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest?.("#complete")) playground.typed = clicking;
    },
    true,
  );

  function plan() {
    clearTimeout(planned);
    planned = setTimeout(complete, PAUSE_MS);
  }

  editors.listen((id, update) => {
    if (!on || id !== "before" || !update?.docChanged) return;
    if (!update.transactions.some((one) => one.docChanged && /^(input|delete)/.test(editors.userEvent(one) ?? ""))) return;
    lastKey = performance.now();
    waiting = false;
    if (asked && running()) button("stop").click();
    asked = false;
    plan();
  });

  (playground.ghostListeners ??= []).push(() => {
    const place = document.querySelector(".key-to-ghost");
    if (!waiting || !place) return;
    waiting = false;
    place.textContent = `${Math.round(performance.now() - lastKey)} ms`;
  });

  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("[data-as-i-type]")) return;
    on = event.target.checked;
    if (!on) clearTimeout(planned);
    remember();
  });

  // The switch is drawn anew in another language.
  function show() {
    const box = document.querySelector("[data-as-i-type]");
    if (box && box.checked !== on) box.checked = on;
  }

  function start() {
    try {
      on = localStorage.getItem(KEPT) === "on";
    } catch {
      // forbidden
    }
    new MutationObserver(show).observe(document.body, { subtree: true, childList: true });
  }
  playground.onBody(start);
})();
