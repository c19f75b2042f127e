// The links in the header: tabs that are opened from there, and Help.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-open-tab]");
  if (link) window.playground.openTab(link.dataset.openTab, link.textContent.trim());
  if (!event.target.closest?.("[data-help]")) return;
  const help = document.getElementById("help");
  if (document.documentElement.dataset.keys === "mac")
    for (const key of help.querySelectorAll("dt")) key.textContent = key.textContent.replace("Ctrl+", "\u2318");
  help.showModal();
});
