// The server is lost: say so in the page's own words, where the state of the engine stands otherwise.
//
// Gradio (6.31) notices it at the next event, shows a toast in English, asks every two seconds whether somebody
// answers again, and reloads the page when somebody does. Until then it sends nothing, and what it could not send
// it forgets. So a press of Complete that came to nothing is told, also on the page that the reload brings, until
// Complete is pressed again.
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
      if (pressed) tell(true);
      observer.disconnect(); // a reload ends it
    });
    observer.observe(document.body, { childList: true, subtree: true });
  }

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
