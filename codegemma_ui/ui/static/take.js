// Share: the completion in view as code, as a link, as a file; and opening such a link or file.
//
// The link and the file are created here, from the recording that the server sent: nothing is stored anywhere. A
// link holds all of it in its fragment, which a browser does not send until this script requests its display.
(() => {
  const playground = (window.playground ??= {});
  playground.views ??= {};
  const listeners = (playground.listeners ??= {});
  const MARK = "#run=";
  const LONGEST_FRAGMENT = 30_000; // characters; longer addresses are cut off in too many places
  const MOST_BYTES = 4_500_000; // of a question to the server, which takes 5 MiB
  const PACKED_AT_ONCE = 512; // bytes; they unpack to half a MB at most
  const FILE = "fim-completion.json";

  let run = null; // the recording in view
  let asks = 0; // questions for its code; only the answer to the last one counts
  let tool = null; // whose script was looked at
  let packed = { text: null, fragment: null }; // the last fragment, and of what

  const busy = () => document.getElementById("complete")?.disabled;
  const json = () => JSON.stringify({ ...run, code_language: codeLanguage() });
  // In a request the payload is a string within JSON.
  const bytes = (question) => new Blob([JSON.stringify(JSON.stringify(question))]).size;

  let plainText = null; // how the choice of highlighting names none
  function codeLanguage() {
    const shown = document.querySelector("#code-language input")?.value ?? "";
    return shown === plainText ? "" : shown;
  }

  // Packing

  async function pack(text) {
    const packing = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
    const bytes = new Uint8Array(await new Response(packing).arrayBuffer());
    let characters = "";
    for (const byte of bytes) characters += String.fromCharCode(byte);
    return btoa(characters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  // A few bytes may unpack to a thousand times as many, and a browser unpacks its whole input before it returns the
  // first chunk. So the input is fed in small parts, and stops once there is too much: null.
  async function unpack(fragment) {
    if (fragment.length > MOST_BYTES) return null; // what was packed into it is larger still
    const characters = atob(fragment.replaceAll("-", "+").replaceAll("_", "/"));
    const unpacking = new DecompressionStream("deflate-raw");
    const writer = unpacking.writable.getWriter();
    const parts = [];
    let size = 0;
    const write = async () => {
      for (let at = 0; at < characters.length && size <= MOST_BYTES; at += PACKED_AT_ONCE) {
        const some = characters.slice(at, at + PACKED_AT_ONCE);
        await writer.ready; // what was unpacked so far has been read
        await writer.write(Uint8Array.from(some, (character) => character.charCodeAt(0)));
      }
      if (size <= MOST_BYTES) await writer.close();
    };
    const read = async () => {
      const reader = unpacking.readable.getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        size += value.length;
        if (size > MOST_BYTES) return reader.cancel();
        parts.push(value);
      }
    };
    const [reading, writing] = await Promise.allSettled([read(), write()]);
    if (size > MOST_BYTES) return null; // what is written after that fails, as nobody reads it
    if (reading.reason ?? writing.reason) throw reading.reason ?? writing.reason;
    return new TextDecoder("utf-8", { fatal: true }).decode(await new Blob(parts).arrayBuffer());
  }

  // Opening

  const trouble = (what) => {
    playground.ask("open-ask", { trouble: what });
    playground.keptHere?.(); // what stands here now is what this address will show again
  };

  function open(text) {
    if (busy()) return trouble("busy");
    let recording;
    try {
      recording = JSON.parse(text);
    } catch {
      return trouble("broken");
    }
    if (bytes({ recording }) > MOST_BYTES) return trouble("too_large");
    playground.ask("open-ask", { recording });
  }

  async function openAddress() {
    if (location.hash.length <= 1) return;
    if (!location.hash.startsWith(MARK)) return trouble("foreign");
    let text;
    try {
      text = await unpack(location.hash.slice(MARK.length));
    } catch {
      return trouble("broken");
    }
    if (text === null) return trouble("too_large");
    open(text);
  }

  async function openFile(file) {
    if (file.size > MOST_BYTES) return trouble("too_large");
    leaveAddress();
    open(await file.text());
  }

  // The completion in view is not the one in the address.
  function leaveAddress() {
    if (location.hash.startsWith(MARK)) history.replaceState(null, "", location.pathname + location.search);
  }

  let ready = false; // the page's first load is over; what is opened before would be overwritten
  window.addEventListener("hashchange", () => ready && openAddress());

  (listeners.recorded ??= []).push((facts) => {
    if (facts.ready) ready = true;
    const begins = facts.unfinished && !facts.unfinished.error && !facts.ready;
    if (begins) return; // until it ends, the one before can be taken along
    run = facts.recording;
    asks += 1;
    document.querySelector('section.view[data-view="take"] > .facts')?.removeAttribute("data-drawn");
    if (!facts.ready && !facts.opened) leaveAddress();
    else if (facts.ready && !playground.restored?.()) openAddress();
  });

  // The view

  function save(text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = FILE;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  function askForCode() {
    asks += 1;
    const question = { recording: run, of: asks, address: location.origin + location.pathname };
    if (bytes(question) > MOST_BYTES) return false;
    playground.ask("take-ask", question);
    return true;
  }

  const button = (text, onclick, properties = {}) =>
    playground.element("button", { type: "button", className: "act", text, onclick, ...properties });

  function script({ file, text, prepare, place, notes }, words) {
    const { element } = playground;
    const parts = [];
    if (notes.length) parts.push(element("ul", { className: "notes" }, ...notes.map((note) => element("li", { text: note }))));
    if (prepare.length) {
      const commands = element("code", { text: prepare.join("\n") });
      parts.push(element("p", { text: place }), element("pre", { className: "commands", tabindex: 0, "aria-label": place }, commands));
    }
    const buttons = element(
      "div",
      { className: "pane-buttons" },
      element("button", { type: "button", "data-copy": words.copied, "data-by-hand": words.copy_by_hand, text: words.copy }),
      element("button", { type: "button", "data-download": file, text: words.download }),
    );
    const pane = element(
      "div",
      { className: "pane" },
      element("div", { className: "pane-head" }, element("code", { text: file }), buttons),
      element("p", { className: "copy-hint", role: "status" }),
      element("pre", { tabindex: 0, "aria-label": words.take_script }, element("code", { text })),
    );
    return [...parts, pane];
  }

  function codePart(words, facts) {
    const { element } = playground;
    const box = element("div", { className: "script" });
    const part = [element("h2", { text: words.take_code })];
    if (facts.of !== asks || !facts.code) {
      box.append(element("p", { className: "hint", text: askForCode() ? words.take_writing : words.take_too_large }));
      return [...part, box];
    }
    if (!facts.code.length) {
      box.append(element("p", { className: "hint", text: facts.refusal }));
      return [...part, box];
    }
    const choices = facts.code.map((one) => button(one.tool, () => show(one), { className: "choice" }));
    const show = (one) => {
      tool = one.tool;
      choices.forEach((choice) => choice.setAttribute("aria-pressed", choice.textContent === tool));
      box.replaceChildren(...script(one, words));
    };
    show(facts.code.find((one) => one.tool === tool) ?? facts.code[0]);
    return [...part, element("div", { className: "choices", role: "group", "aria-label": words.take_tools }, ...choices), box];
  }

  function linkPart(words) {
    const { element, fill } = playground;
    const field = element("input", { type: "text", readonly: true, "aria-label": words.take_link });
    const said = element("p", { className: "hint", "aria-live": "polite" });
    let size = "";
    const copy = button(
      words.take_copy_link,
      () =>
        playground.copy(copy, field.value, { copied: words.copied, byHand: words.copy_by_hand }, {
          select() {
            field.focus();
            field.select();
          },
          chosen: () =>
            document.activeElement === field && field.selectionStart === 0 && field.selectionEnd === field.value.length,
          tell: (text) => (said.textContent = text || size),
        }),
      { disabled: true },
    );
    const row = element("div", { className: "row" }, field, copy);
    const part = element("div", {}, row, said);
    const show = () => {
      const count = MARK.length + packed.fragment.length;
      const sizes = { count: count.toLocaleString("en"), most: LONGEST_FRAGMENT.toLocaleString("en") };
      if (count > LONGEST_FRAGMENT) {
        const long = element("p", { className: "hint long", text: fill(words.take_link_long, sizes) });
        part.replaceChildren(long, button(words.take_download, () => save(json())));
        return;
      }
      field.value = location.origin + location.pathname + MARK + packed.fragment;
      said.textContent = size = fill(words.take_link_size, sizes);
      copy.disabled = false;
    };
    const text = json();
    if (!window.CompressionStream) part.replaceChildren(element("p", { className: "hint", text: words.take_link_old }));
    else if (packed.text === text) show();
    else
      pack(text).then((fragment) => {
        packed = { text, fragment };
        show();
      });
    return [element("h2", { text: words.take_link }), part];
  }

  function filePart(words) {
    const { element } = playground;
    const input = element("input", { type: "file", accept: ".json,application/json", hidden: true, "aria-label": words.take_open });
    input.addEventListener("change", () => {
      if (input.files.length) openFile(input.files[0]);
      input.value = ""; // the same file can be opened again
    });
    const row = element("div", { className: "row" });
    if (run) row.append(button(words.take_download, () => save(json())));
    row.append(button(words.take_open, () => input.click()), input);
    return [element("h2", { text: words.take_file }), row, element("p", { className: "hint", text: words.take_file_says })];
  }

  playground.views.take = (stage, facts) => {
    const { element } = playground;
    const { words } = facts;
    plainText = words.plain_text;
    if (run) stage.append(...codePart(words, facts), ...linkPart(words));
    else stage.append(element("p", { className: "nothing", text: words.take_nothing }));
    stage.append(...filePart(words));
  };
})();
