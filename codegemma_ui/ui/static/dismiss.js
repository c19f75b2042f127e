// Dismiss: the button of an error that only this page is shown (`error_notice` in `ui/render.py`).
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-dismiss]");
  if (!button) return;
  button.closest(".notice")?.remove();
  window.playground?.ask?.("dismiss-ask", {});
});
