// Ctrl+Enter (Cmd+Enter) completes, Esc stops: by clicking the buttons, wherever the caret is.
//
// The keys are handled in the capture phase, because CodeMirror binds Mod-Enter to "insert a blank line".
// Esc is passed on to the editor, where it lets the next Tab leave (see indentation.js).
(() => {
  const click = (id) => {
    const button = document.getElementById(id);
    if (!button || button.disabled) return false;
    button.click();
    return true;
  };

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.altKey) {
        event.preventDefault();
        event.stopPropagation();
        if (!event.repeat) click("complete");
      } else if (event.key === "Escape") {
        click("stop");
      }
    },
    true,
  );

  if (/Mac|iP(hone|ad)/.test(navigator.platform)) document.documentElement.dataset.keys = "mac";
})();
