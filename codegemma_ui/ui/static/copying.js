// Copying a text, and the copy and download buttons of the panes: the exact text, with the program's line ending.
//
// A page served over plain http has no `navigator.clipboard`, unless from loopback. There the older command is
// used; if the browser forbids that too, the text is selected, and one key copies it.
(() => {
  const playground = (window.playground ??= {});
  const COPIED_MS = 1500;

  const textOf = (button) => {
    const pre = button.closest(".pane").querySelector("pre");
    const text = pre.textContent;
    return pre.dataset.ending === "CRLF" ? text.replace(/\r?\n/g, "\r\n") : text;
  };

  // The exact text: a selection would give LF for CRLF.
  function put(event, text) {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // With the document's copy command on the selection of a hidden field. Focus and selection are restored.
  function copyByCommand(text) {
    const focused = document.activeElement;
    const selection = getSelection();
    const ranges = Array.from({ length: selection.rangeCount }, (_, at) => selection.getRangeAt(at).cloneRange());
    const field = document.createElement("textarea");
    field.value = text;
    field.readOnly = true; // no keyboard comes up on a phone
    field.tabIndex = -1;
    field.setAttribute("aria-hidden", "true");
    field.className = "copied-from";
    document.body.append(field);
    const exactly = (event) => put(event, text);
    window.addEventListener("copy", exactly, true);
    try {
      field.focus({ preventScroll: true });
      field.select();
      return document.execCommand("copy");
    } catch {
      return false;
    } finally {
      window.removeEventListener("copy", exactly, true);
      field.remove();
      focused?.focus?.({ preventScroll: true });
      selection.removeAllRanges();
      for (const range of ranges) selection.addRange(range);
    }
  }

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return copyByCommand(text);
    }
  }

  function say(button, text) {
    clearTimeout(Number(button.dataset.saying));
    button.dataset.label ??= button.textContent;
    button.textContent = text;
    button.dataset.saying = setTimeout(() => (button.textContent = button.dataset.label), COPIED_MS);
  }

  // Wait until the user has copied by hand or selected something else: `done` is called with whether they copied.
  function untilCopied(text, chosen, done) {
    const end = (event) => {
      const copies = event.type === "copy";
      if (!copies && chosen()) return;
      window.removeEventListener("copy", end, true);
      document.removeEventListener("selectionchange", end);
      const byHand = copies && chosen();
      if (byHand) put(event, text);
      done(byHand);
    };
    window.addEventListener("copy", end, true);
    document.addEventListener("selectionchange", end);
  }

  // Copy a text for a button, which confirms it. If copying is impossible, `select` it and `tell` what to press.
  //
  // `words` has `copied` and `byHand`, `chosen` whether it is still selected; `tell("")` clears the message.
  playground.copy = async (button, text, words, { select, chosen, tell }) => {
    tell("");
    if (await copied(text)) {
      say(button, words.copied);
      return;
    }
    select();
    const key = document.documentElement.dataset.keys === "mac" ? "\u2318C" : "Ctrl+C";
    tell(words.byHand.replace("{key}", key));
    untilCopied(text, chosen, (byHand) => {
      tell("");
      if (byHand) say(button, words.copied);
    });
  };

  function copyPane(button) {
    const pane = button.closest(".pane");
    const pre = pane.querySelector("pre");
    const hint = pane.querySelector(".copy-hint");
    const words = { copied: button.dataset.copy, byHand: button.dataset.byHand };
    playground.copy(button, textOf(button), words, {
      select() {
        pre.focus();
        getSelection().selectAllChildren(pre);
      },
      chosen: () => [getSelection().anchorNode, getSelection().focusNode].every((node) => node === pre),
      tell: (text) => (hint.textContent = text),
    });
  }

  function download(button) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([textOf(button)], { type: "text/plain" }));
    link.download = button.dataset.download;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".pane-buttons button");
    if (!button) return;
    if (button.dataset.copy) copyPane(button);
    else download(button);
  });
})();
