// The pages of requests and sessions: copy buttons, and the next and previous call by keyboard.
(() => {
  "use strict";
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const from = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(from.textContent);
      button.textContent = "Copied";
    } catch { // the browser does not let us: then the person copies what is selected
      getSelection().selectAllChildren(from);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  // A call that is sent again: the words of its answer as they come, then the whole of it, as the server shows it.
  async function replay(form, outcome) {
    const headers = { ...JSON.parse(document.body.getAttribute("hx-headers") ?? "{}"), "HX-Request": "true" };
    const answer = await fetch(form.dataset.replay, { method: "POST", headers, body: new URLSearchParams(new FormData(form)) });
    const show = (html) => { outcome.innerHTML = html; htmx.process(outcome); };
    const type = answer.headers.get("content-type") ?? "";
    if (answer.headers.has("hx-refresh")) return location.reload();
    if (type.startsWith("text/html")) return show(await answer.text());
    if (!type.startsWith("application/x-ndjson")) return outcome.replaceChildren(await answer.text());
    const words = Object.assign(document.createElement("pre"), { className: "wrap", dir: "auto", tabIndex: 0 });
    outcome.replaceChildren(words);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const lines = (rest + next.value).split("\n");
      rest = lines.pop();
      for (const told of lines.map(JSON.parse)) {
        if (told.html) show(told.html);
        else words.append(told.words);
      }
    }
  }
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-replay]");
    if (!form) return;
    event.preventDefault();
    const [outcome, button] = [form.querySelector(".outcome"), form.querySelector("button")];
    button.disabled = true;
    outcome.replaceChildren("The answer is awaited.");
    try { await replay(form, outcome); } catch { outcome.append(" The connection to heliograph broke off."); }
    button.disabled = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select") || document.querySelector("dialog[open], tr[data-row]")) return;
    const link = [...document.querySelectorAll("a[data-key]")].find((each) => each.dataset.key === event.key);
    if (link) location.assign(link.href);
  });
  // "Show more" is gone once it worked: the keyboard goes on at the first new row.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const more = event.detail.target;
    if (!more.matches("tr.more") || !more.contains(document.activeElement)) return;
    const last = more.previousElementSibling;
    document.addEventListener("htmx:afterSwap", () => last.nextElementSibling?.querySelector("a")?.focus(), { once: true });
  });
})();
