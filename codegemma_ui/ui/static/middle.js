// The middle's pane: its button copies the exact text; Ctrl+A in it selects that text and nothing else of the page.
// The selection is the editor's own, which holds while the editor draws itself again and covers lines that are not drawn.
(() => {
  const playground = (window.playground ??= {});
  const whole = () => {
    const view = playground.editors.view("middle");
    const { from, to } = view?.state.selection.main ?? {};
    return view?.hasFocus && to > from && to - from === view.state.doc.length;
  };
  const select = () => {
    const view = playground.editors.view("middle");
    view?.focus();
    view?.dispatch({ selection: { anchor: 0, head: view.state.doc.length } });
  };
  const exact = (text) => {
    const crlf = document.querySelector("#ending input[value=CRLF]")?.checked;
    return crlf ? text.replace(/\n/g, "\r\n") : text;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy-middle]");
    if (!button) return;
    const { copied, byHand } = button.dataset;
    const hint = button.parentElement.querySelector("[role=status]");
    playground.copy(button, exact(playground.editors.text("middle")), { copied, byHand }, {
      select,
      chosen: whole,
      tell: (text) => (hint.textContent = text),
    });
  });

  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key.toLowerCase() !== "a" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
      if (!event.target.closest?.("#middle .cm-content")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      select();
    },
    true,
  );

  document.addEventListener(
    "copy",
    (event) => {
      if (!whole()) return;
      event.clipboardData.setData("text/plain", exact(playground.editors.text("middle")));
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
})();
