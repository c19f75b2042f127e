// The notice of a lost server, in place of the state of the engine.
//
// Gradio (6.31) notices it at the next event, shows a toast in English, polls every two seconds, and reloads the
// page when the server responds again. Until then it sends nothing, and drops what it could not send. So a press of
// Complete that was lost is reported, also after the reload, until Complete is pressed again.
(() => {
  const LOST = "Connection to the server was lost"; // in Gradio's toast, which has no other mark
  const UNSENT = `playground-unsent ${location.pathname}`; // in the tab's storage, over the reload

  // A server that is up and silent, such as a suspended one, fails no request. A page hears from it every 0.7 s.
  const SILENT_MS = 2000;
  const LOOK_MS = 250;

  const root = document.documentElement.dataset;
  let pressed = false; // Complete was, and the server has told nothing of it yet

  function tell(unsent) {
    if (unsent) root.unsent = "yes";
    else delete root.unsent;
    try {
      if (unsent) sessionStorage.setItem(UNSENT, "yes");
      else sessionStorage.removeItem(UNSENT);
    } catch {
      // forbidden, or full
    }
  }

  document.addEventListener(
    "click",
    (event) => {
      if (!event.target.closest?.("#complete")) return;
      const lost = root.connection === "lost";
      pressed = !lost;
      tell(lost);
    },
    true,
  );

  (((window.playground ??= {}).listeners ??= {}).recorded ??= []).push((facts) => {
    if (!facts.ready) pressed = false;
  });

  function listen() {
    let heard = null;
    let looked = performance.now();
    new PerformanceObserver(() => {
      heard = performance.now();
      if (root.connection === "silent") show(null);
    }).observe({ type: "resource" });
    setInterval(() => {
      const now = performance.now();
      // Neither a hidden page nor a busy one says anything of the server.
      if (document.hidden || now - looked > SILENT_MS / 2) heard &&= now;
      looked = now;
      if (heard !== null && now - heard > SILENT_MS && !root.connection) show("silent");
    }, LOOK_MS);
  }

  function show(connection) {
    if (connection) root.connection = connection;
    else delete root.connection;
    // A press is answered all the same.
    document.getElementById("complete")?.setAttribute("aria-disabled", String(connection !== null));
  }

  function start() {
    try {
      tell(sessionStorage.getItem(UNSENT) !== null);
    } catch {
      // forbidden
    }
    const observer = new MutationObserver(() => {
      const toasts = [...document.querySelectorAll(".toast-body.error")];
      if (!toasts.some((toast) => toast.textContent.includes(LOST))) return;
      show("lost");
      if (pressed) tell(true);
      observer.disconnect(); // a reload ends it
    });
    observer.observe(document.body, { childList: true, subtree: true });
    listen();
  }

  window.playground.onBody(start);
})();
