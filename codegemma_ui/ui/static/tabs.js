// The tabs by keyboard: one tab stop; the arrows, Home and End open a tab and move the focus to it.
//
// Gradio puts the tabs that do not fit into a menu. One that is opened there moves to the end of the visible ones,
// so that the arrows reach every tab. An element outside the line, which Gradio measures, has all of them in order.
(() => {
  const LONGEST_FRAMES = 60;
  const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

  const wrapper = () => document.querySelector("#panes > .tab-wrapper");
  const nameOf = (button) => button.textContent.trim();
  const names = () => [...wrapper().querySelectorAll(".tab-container[aria-hidden] button")].map(nameOf);
  const visible = () => [...wrapper().querySelectorAll("[role=tab]")];
  const hidden = () => [...wrapper().querySelectorAll(".overflow-dropdown button")];
  const more = () => wrapper().querySelector(".overflow-menu > button");
  const menuIsOpen = () => Boolean(wrapper().querySelector(".overflow-dropdown:not(.hide)"));

  // A tab from the menu takes its place in the line some frames later.
  function focus(name, frames = LONGEST_FRAMES) {
    const tab = visible().find((one) => nameOf(one) === name && one.getAttribute("aria-selected") === "true");
    if (tab) tab.focus();
    else if (frames) requestAnimationFrame(() => focus(name, frames - 1));
  }

  function open(name) {
    [...visible(), ...hidden()].find((one) => nameOf(one) === name)?.click();
    focus(name);
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const tab = event.target.closest?.("#panes > .tab-wrapper [role=tab]");
    if (tab) {
      const all = names();
      let next = null;
      if (event.key in STEPS) next = (all.indexOf(nameOf(tab)) + STEPS[event.key] + all.length) % all.length;
      else if (event.key === "Home") next = 0;
      else if (event.key === "End") next = all.length - 1;
      if (next === null) return;
      event.preventDefault();
      open(all[next]);
    } else if (event.key === "Escape" && event.target.closest?.("#panes .overflow-menu") && menuIsOpen()) {
      more().click();
      more().focus();
    }
  });

  // Opened in the menu by keyboard, a tab takes the focus along; else it would be lost with the menu.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#panes > .tab-wrapper .overflow-dropdown button");
    if (button && event.detail === 0) focus(nameOf(button));
  });

  function update() {
    if (!wrapper()) return;
    const tabs = visible();
    const stop = tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? tabs[0];
    for (const tab of tabs) tab.tabIndex = tab === stop ? 0 : -1;
    more()?.setAttribute("aria-expanded", String(menuIsOpen()));
  }

  function start() {
    let planned = false;
    new MutationObserver(() => {
      if (planned) return;
      planned = true;
      requestAnimationFrame(() => {
        planned = false;
        update();
      });
    }).observe(document.body, { subtree: true, childList: true, attributeFilter: ["aria-selected", "class"] });
  }

  window.playground.onBody(start);
})();
