// Brackets and quotes stay as they are typed. Gradio's editor closes them by itself, and what it adds would be sent
// to the model as code before the cursor.
(() => {
  const { editors } = window.playground;
  const CLOSED = new Set("()[]{}'\"`");

  document.addEventListener(
    "beforeinput",
    (event) => {
      const content = event.target.closest?.("#before .cm-content, #after .cm-content");
      if (!content || event.inputType !== "insertText" || event.isComposing || !CLOSED.has(event.data)) return;
      const view = window.playground.editorView(content);
      if (!view || view.composing) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      const { state } = view;
      view.dispatch(state.update(state.replaceSelection(event.data), { scrollIntoView: true, userEvent: "input.type" }));
    },
    true,
  );
})();
