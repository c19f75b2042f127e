// The server is lost: say so in the page's own words, where the state of the engine stands otherwise.
//
// Gradio (6.31) notices it at the next event, shows a toast in English, asks every two seconds whether somebody
// answers again, and reloads the page when somebody does. Until then it sends nothing.
(() => {
  const LOST = "Connection to the server was lost"; // in Gradio's toast, which has no other mark

  function start() {
    const observer = new MutationObserver(() => {
      const toasts = [...document.querySelectorAll(".toast-body.error")];
      if (!toasts.some((toast) => toast.textContent.includes(LOST))) return;
      document.documentElement.dataset.connection = "lost";
      observer.disconnect(); // a reload ends it
    });
    observer.observe(document.body, { childList: true, subtree: true });
  }

  if (document.body) start();
  else document.addEventListener("DOMContentLoaded", start);
})();
