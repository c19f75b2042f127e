// A number typed outside its field's range becomes the nearest one inside; an emptied field gets its number back.
(() => {
  const write = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
  const former = new WeakMap();
  const SEEDS = [0, 2 ** 32 - 1]; // a field for text, which may be empty

  function rangeOf(field) {
    if (field.matches?.("#seed input")) return SEEDS;
    if (!field.matches?.(".block input[type=number]")) return null;
    return [field.min === "" ? -Infinity : Number(field.min), field.max === "" ? Infinity : Number(field.max)];
  }

  document.addEventListener("focusin", ({ target }) => {
    if (target.matches?.(".block input[type=number]")) former.set(target, target.value);
  });

  document.addEventListener(
    "change",
    ({ target }) => {
      const range = rangeOf(target);
      const typed = target.value === "" ? former.get(target) : target.value;
      if (!range || !typed?.trim() || Number.isNaN(Number(typed))) return;
      const value = String(Math.min(Math.max(Number(typed), range[0]), range[1]));
      former.set(target, value);
      if (value === target.value) return;
      write.call(target, value);
      target.dispatchEvent(new Event("input", { bubbles: true }));
    },
    true,
  );
})();
