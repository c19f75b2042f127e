// The editors as CodeMirror knows them: the one place that reaches into Gradio's bundle for its classes.
//
// Gradio (6.31) exports none of CodeMirror, takes no extensions, and rebuilds an editor's configuration with every
// change of language. From a view the classes can be reached all the same (@codemirror/view 6.39): its constructor is
// EditorView, that of any effect StateEffect, that of any transaction Transaction, and that of any decoration has
// Decoration's functions. What is added here is added again when it is lost.
(() => {
  const playground = (window.playground ??= {});
  const IDS = ["before", "after", "middle"];

  // The scripts stand in the page's head, before there is a body to watch.
  playground.onBody = (start) => (document.body ? start() : document.addEventListener("DOMContentLoaded", start));

  // Its tree is in `cmTile`, that of earlier versions in `cmView`.
  const viewOf = (content) => {
    const tile = content.cmTile ?? content.cmView;
    return tile?.view ?? tile?.root?.view ?? tile?.rootView?.view ?? null;
  };
  playground.editorView = viewOf;

  const editor = (id) => {
    const content = document.querySelector(`#${id} .cm-content`);
    return content && viewOf(content);
  };

  const listeners = []; // functions of an editor's id and an update of it; null for an editor that has just appeared
  const decorators = []; // functions of an editor's id and its state that return an array of ranges

  // A decoration is in force in each document, the active line's.
  let Decoration = null;
  function findDecoration(view) {
    for (const source of view.state.facet(view.constructor.decorations)) {
      const found = (typeof source === "function" ? source(view) : source).iter().value;
      if (found) return found.constructor;
    }
    return null;
  }

  const added = new WeakMap(); // view -> its listener
  function extend(id) {
    const view = editor(id);
    if (!view) return;
    const { constructor: EditorView } = view;
    const known = added.get(view);
    if (known && view.state.facet(EditorView.updateListener).includes(known)) return;
    Decoration ??= findDecoration(view);
    if (!Decoration) return; // at the next change
    const listener = known ?? ((update) => listeners.forEach((one) => one(id, update)));
    added.set(view, listener);
    const decorated = (shown) => Decoration.set(decorators.flatMap((one) => one(id, shown.state)));
    const StateEffect = EditorView.scrollIntoView(0).constructor;
    const extensions = [EditorView.updateListener.of(listener), EditorView.decorations.of(decorated)];
    view.dispatch({ effects: StateEffect.appendConfig.of(extensions) });
    if (!known) listeners.forEach((one) => one(id, null));
  }

  playground.editors = {
    view: editor,
    text: (id) => editor(id)?.state.doc.toString() ?? "",
    listen: (listener) => listeners.push(listener),
    decorate: (decorator) => decorators.push(decorator),
    redraw: (id) => editor(id)?.dispatch({}),

    // A text at a position that is shown and no part of the document.
    textAt(position, text, className) {
      const widget = {
        eq: (other) => other.text === text,
        compare: (other) => other === widget || other.text === text,
        updateDOM: () => false,
        estimatedHeight: -1,
        lineBreaks: text.split("\n").length - 1,
        ignoreEvent: () => true,
        coordsAt: () => null,
        isHidden: false,
        editable: false,
        destroy: () => {},
        text,
        toDOM() {
          const span = document.createElement("span");
          span.className = className;
          span.setAttribute("aria-hidden", "true");
          span.textContent = text;
          return span;
        },
      };
      return Decoration.widget({ widget, side: 1 }).range(position);
    },

    // The event of a user that a transaction stands for, such as "input.type"; undefined if the page made it.
    userEvent: (transaction) => transaction.annotation(transaction.constructor.userEvent),
    isKept: (transaction) => transaction.annotation(transaction.constructor.addToHistory) !== false,
  };

  function start() {
    const all = () => IDS.forEach(extend);
    new MutationObserver(all).observe(document.body, { subtree: true, childList: true, attributeFilter: ["data-language"] });
    all();
  }
  playground.onBody(start);
})();
