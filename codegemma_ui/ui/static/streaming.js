// While a completion streams, the server sends its middle alone: the panes that hold the middle among other text take it
// from the editor in which it arrives. They are sent whole when the middle begins and when it has ended.
(() => {
  const { editors } = (window.playground ??= {});
  const running = () => document.getElementById("stop")?.disabled === false;

  editors.listen((id, update) => {
    if (id !== "middle" || !update?.docChanged || !running()) return;
    const middle = update.state.doc.toString();
    for (const span of document.querySelectorAll("#program .role.middle, #raw-output .role.middle"))
      if (span.textContent !== middle) span.textContent = middle;
  });
})();
