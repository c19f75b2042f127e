// Ctrl+Enter (Cmd+Enter) completes, by clicking the button, wherever the caret is. Esc is in ghost.js.
//
// The key is handled in the capture phase, because CodeMirror binds Mod-Enter to "insert a blank line".
(() => {
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.altKey) {
        event.preventDefault();
        event.stopPropagation();
        if (!event.repeat) document.getElementById("complete")?.click();
      }
    },
    true,
  );

  if (/Mac|iP(hone|ad)/.test(navigator.platform)) document.documentElement.dataset.keys = "mac";
})();
