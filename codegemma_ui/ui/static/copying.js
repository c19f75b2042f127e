// The copy and download buttons of the panes: the text as it is, with the program's own line ending.
(() => {
  const textOf = (button) => {
    const pre = button.closest(".pane").querySelector("pre");
    const text = pre.textContent;
    return pre.dataset.ending === "CRLF" ? text.replace(/\r?\n/g, "\r\n") : text;
  };

  async function copy(button) {
    await navigator.clipboard.writeText(textOf(button));
    const label = button.textContent;
    button.textContent = button.dataset.copy;
    setTimeout(() => (button.textContent = label), 1500);
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
    if (button.dataset.copy) copy(button);
    else download(button);
  });
})();
