// Continue: the button of a completion that ended at a limit (`ui/unfinished.py`) requests the same tokens and more.
(() => {
  const playground = (window.playground ??= {});
  let recording = null; // of the completion in view

  ((playground.listeners ??= {}).recorded ??= []).push((facts) => {
    recording = facts.recording ?? null;
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-go-on]");
    if (!button || !recording || document.getElementById("complete")?.disabled) return;
    const { request, ending, tokens, last } = recording;
    const text = playground.middleOf(recording);
    playground.ask("branch-ask", {
      request: { ...request, max_length: Number(button.dataset.goOn) },
      ending,
      forced: tokens.map(([id]) => id),
      otherwise: { preset: last.preset, text },
      parent: playground.branchOf?.(recording) ?? null,
    });
  });
})();
