// Again: another sample of the hole in view, and back to the former ones.
(() => {
  const playground = (window.playground ??= {});
  const { editors } = playground;
  const TEMPERATURE = 0.8; // where the page's is 0, which would give the same text again
  const MOST = 20;

  let samples = []; // recordings of one hole, oldest first
  let at = -1; // the one in view

  const holeOf = ({ request, ending }) => JSON.stringify([request.prefix, request.suffix, request.path, request.files, ending]);

  function refresh() {
    const back = document.querySelector('[data-again="back"]');
    const off = at <= 0;
    if (back && back.disabled !== off) back.disabled = off;
  }

  ((playground.listeners ??= {}).recorded ??= []).push(({ recording, unfinished, ready }) => {
    if (recording) {
      const known = samples.findIndex((one) => playground.middleOf(one) === playground.middleOf(recording) && holeOf(one) === holeOf(recording));
      if (known >= 0) at = known;
      else {
        if (samples.length && holeOf(samples[0]) !== holeOf(recording)) samples = [];
        samples = [...samples, recording].slice(-MOST);
        at = samples.length - 1;
      }
    } else if (!unfinished && !ready) [samples, at] = [[], -1];
    refresh();
  });

  const busy = () => document.getElementById("complete")?.disabled !== false;

  function again() {
    if (busy()) return;
    const last = samples[at];
    const fresh = last && editors.text("before") === last.request.prefix && editors.text("after") === last.request.suffix;
    if (!fresh) document.getElementById("complete").click(); // the text has changed: its first completion
    else if (at < samples.length - 1) show(at + 1);
    else {
      const request = { ...last.request, seed: null, temperature: last.request.temperature || TEMPERATURE };
      playground.ask("branch-ask", { request, ending: last.ending, forced: [], parent: null });
    }
  }

  function show(index) {
    if (busy() || !samples[index]) return;
    playground.ask("show-ask", { recording: samples[index], parent: null });
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-again]");
    if (!button) return;
    if (button.dataset.again === "back") show(at - 1);
    else again();
    editors.view("before")?.focus();
  });

  document.addEventListener(
    "keydown",
    (event) => {
      if (!event.altKey || event.ctrlKey || event.metaKey || !["BracketLeft", "BracketRight"].includes(event.code)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (event.code === "BracketRight") again();
      else show(at - 1);
    },
    true,
  );

  // The buttons are drawn anew in another language.
  const start = () => new MutationObserver(refresh).observe(document.body, { subtree: true, childList: true });
  playground.onBody(start);
})();
