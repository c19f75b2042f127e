// A number typed outside its field's range becomes the nearest one inside, a fraction where whole numbers are taken the
// nearest whole one; an emptied field, or one with no number in it, gets its number back. A seed may be empty.
(() => {
  const write = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
  const former = new WeakMap();
  const SEEDS = [0, 2 ** 32 - 1, 1, true]; // a field for text

  function rangeOf(field) {
    if (field.matches?.("#seed input")) return SEEDS;
    if (!field.matches?.(".block input[type=number]")) return null;
    const { min, max, step } = field;
    return [min === "" ? -Infinity : Number(min), max === "" ? Infinity : Number(max), Number(step), false];
  }

  document.addEventListener("focusin", ({ target }) => {
    if (rangeOf(target)) former.set(target, target.value);
  });

  function correct(field) {
    const range = field && rangeOf(field);
    if (!range) return;
    const [least, most, step, mayBeEmpty] = range;
    const empty = field.value.trim() === "";
    const number = empty || Number.isNaN(Number(field.value)) ? null : Number(field.value);
    const within = (one) => Math.min(Math.max(step === 1 ? Math.round(one) : one, least), most);
    const value = number === null ? (empty && mayBeEmpty ? "" : former.get(field)) : String(within(number));
    if (value === undefined) return;
    former.set(field, value);
    if (value === field.value) return;
    write.call(field, value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  document.addEventListener("change", ({ target }) => correct(target), true);
  // Ctrl+Enter completes before the field is left.
  document.addEventListener("click", ({ target }) => target.closest?.("#complete") && correct(document.activeElement), true);
})();
