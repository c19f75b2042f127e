// Four spaces for Python: Enter, Tab, Shift+Tab and Backspace in the two editors.
//
// Gradio's editor has CodeMirror's default unit of two and no option for it, and it rebuilds its
// configuration with every change of language, so the keys are handled here, as transactions of the
// editor's own view, which can be undone. Other languages keep Gradio's behaviour.
(() => {
  const UNIT = "    ";
  const CLOSING = { "(": ")", "[": "]", "{": "}" };
  const MODIFIERS = ["Shift", "Control", "Alt", "Meta"];
  let leaving = false; // Esc was pressed: the next Tab belongs to the browser

  const viewOf = (content) => window.playground.editorView(content);

  const leadingSpace = (text) => /^[ \t]*/.exec(text)[0];
  const unitOf = (text) => (leadingSpace(text).includes("\t") ? "\t" : UNIT);

  const dedented = (indent) =>
    indent.endsWith("\t") ? indent.slice(0, -1) : indent.slice(0, Math.max(0, indent.length - UNIT.length));

  function enter(state, cursor) {
    return state.changeByRange((range) => {
      const line = state.doc.lineAt(range.from);
      const before = line.text.slice(0, range.from - line.from);
      const code = before.replace(/(^|\s)#.*$/, "").trimEnd();
      const last = code.at(-1) ?? "";
      let indent = leadingSpace(before);
      const outer = indent;
      if (last === ":" || last in CLOSING) indent += unitOf(before);
      else if (/^\s*(return|pass|break|continue|raise)\b/.test(code)) indent = dedented(indent);

      const end = state.doc.lineAt(range.to);
      const rest = end.text.slice(range.to - end.from);
      const to = range.to + leadingSpace(rest).length;
      const from = before.trim() ? range.from : line.from; // an empty line keeps no spaces
      const closes = last in CLOSING && rest.trimStart().startsWith(CLOSING[last]);
      const insert = `\n${indent}`;
      return {
        changes: { from, to, insert: closes ? `${insert}\n${outer}` : insert },
        range: cursor(from + insert.length),
      };
    });
  }

  function tab(state, cursor) {
    return state.changeByRange((range) => {
      const line = state.doc.lineAt(range.from);
      if (range.empty) {
        const unit = unitOf(line.text);
        const column = range.from - line.from;
        const insert = unit === "\t" ? unit : UNIT.slice(column % UNIT.length);
        return { changes: { from: range.from, insert }, range: cursor(range.from + insert.length) };
      }
      return onLines(state, range, (text) => ({ remove: 0, insert: text.trim() ? unitOf(text) : "" }));
    });
  }

  function shiftTab(state) {
    return state.changeByRange((range) =>
      onLines(state, range, (text) => {
        const indent = leadingSpace(text);
        return { remove: indent.length - dedented(indent).length, insert: "", atEnd: indent.length };
      }),
    );
  }

  // Change the indentation of every line that a selection touches, and keep the selection on its text.
  function onLines(state, range, change) {
    const changes = [];
    const last = state.doc.lineAt(range.to).number;
    for (let number = state.doc.lineAt(range.from).number; number <= last; number++) {
      const line = state.doc.line(number);
      if (number === last && !range.empty && range.to === line.from) break;
      const { remove, insert, atEnd = 0 } = change(line.text);
      const end = line.from + Math.max(atEnd, remove);
      changes.push({ from: end - remove, to: end, insert });
    }
    const set = state.changes(changes);
    return { changes: set, range: range.map(set, 1) };
  }

  function backspace(state, cursor) {
    const { main } = state.selection;
    const line = state.doc.lineAt(main.head);
    const before = line.text.slice(0, main.head - line.from);
    if (!main.empty || !/^ +$/.test(before)) return null;
    const remove = ((before.length - 1) % UNIT.length) + 1;
    const from = main.head - remove;
    return { changes: { from, to: main.head }, selection: cursor(from) };
  }

  function answer(event, view) {
    const { state } = view;
    const cursor = (position) => state.selection.constructor.cursor(position);
    if (event.key === "Enter" && !event.shiftKey) return [enter(state, cursor), "input"];
    if (event.key === "Tab") return event.shiftKey ? [shiftTab(state), "delete.dedent"] : [tab(state, cursor), "input.indent"];
    if (event.key === "Backspace" && !event.shiftKey) return [backspace(state, cursor), "delete.backward"];
    return [null, ""];
  }

  document.addEventListener(
    "keydown",
    (event) => {
      const content = event.target.closest?.("#before .cm-content, #after .cm-content");
      if (!content || event.isComposing || MODIFIERS.includes(event.key)) return;
      const left = leaving;
      leaving = event.key === "Escape";
      if (event.key === "Tab" && left) {
        event.stopPropagation(); // and no preventDefault: the browser moves the focus
        return;
      }
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (content.dataset.language !== "python") return;
      const view = viewOf(content);
      if (!view) return;
      const [change, userEvent] = answer(event, view);
      if (!change) return;
      event.preventDefault();
      event.stopPropagation();
      view.dispatch(view.state.update(change, { scrollIntoView: true, userEvent }));
    },
    true,
  );
  document.addEventListener("focusin", () => (leaving = false));
})();
