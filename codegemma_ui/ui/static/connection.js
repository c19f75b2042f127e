// The notice of a lost server, in place of the state of the engine.
//
// Gradio (6.31) notices it at the next event, shows a toast in English, polls every two seconds, and reloads the
// page when the server responds again. Until then it sends nothing, and drops what it could not send. So a press of
// Complete that was lost is reported, also after the reload, until Complete is pressed again.
(() => {
  const LOST = "Connection to the server was lost"; // in Gradio's toast, which has no other mark
  const UNSENT = `playground-unsent ${location.pathname}`; // in the tab's storage, over the reload

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

  function start() {
    try {
      tell(sessionStorage.getItem(UNSENT) !== null);
    } catch {
      // forbidden
    }
    const observer = new MutationObserver(() => {
      const toasts = [...document.querySelectorAll(".toast-body.error")];
      if (!toasts.some((toast) => toast.textContent.includes(LOST))) return;
      root.connection = "lost";
      document.getElementById("complete")?.setAttribute("aria-disabled", "true"); // a press is answered all the same
      if (pressed) tell(true);
      observer.disconnect(); // a reload ends it
    });
    observer.observe(document.body, { childList: true, subtree: true });
  }

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
