// The SQL editor: Ctrl+Enter runs, names of tables and columns are completed, the last statements are kept in this browser.
(() => {
  "use strict";
  const form = document.querySelector("[data-sql]");
  if (!form) return;
  const field = form.querySelector("textarea");
  const list = form.querySelector("[role=listbox]");
  const KEY = "heliograph.sql";
  const MOST = 20;
  const KEYWORDS = ["select", "from", "where", "group by all", "order by", "limit", "count(*)", "sum(", "avg(", "desc nulls last", "interval", "join", "using (request_id)", "with", "having", "distinct", "case when", "is not null", "date_trunc('day', started_at)"];
  let words = null, tables = {}, found = [], chosen = 0, moved = false;

  function remembered() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
      return Array.isArray(kept) ? kept.filter((each) => typeof each === "string") : [];
    } catch { return []; }
  }
  const history = remembered();
  const asked = new URLSearchParams(location.search).get("q");
  if (asked && history[0] !== asked) {
    history.unshift(asked);
    try { localStorage.setItem(KEY, JSON.stringify([...new Set(history)].slice(0, MOST))); } catch { /* a full or forbidden store: no history */ }
  }
  if (history.length) {
    const box = form.querySelector(".history");
    box.hidden = false;
    box.querySelector("ul").append(...[...new Set(history)].slice(0, MOST).map((text) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = `${form.getAttribute("action")}?q=${encodeURIComponent(text)}`;
      link.textContent = text.replace(/\s+/g, " ").slice(0, 160);
      item.append(link);
      return item;
    }));
  }

  async function load() {
    if (words) return;
    words = [];
    try {
      const response = await fetch(form.dataset.words, { headers: { "HX-Request": "true" } });
      if (!response.ok) return;
      tables = await response.json();
      const all = new Map(KEYWORDS.map((word) => [word, "SQL"]));
      for (const [table, columns] of Object.entries(tables)) {
        if (table.startsWith("all_")) continue;
        all.set(table, "table");
        for (const column of columns) if (!all.has(column)) all.set(column, table);
      }
      words = [...all];
    } catch { /* the editor works without completions */ }
  }

  const before = () => field.value.slice(0, field.selectionStart);
  const typed = () => /[A-Za-z_][\w.]*$/.exec(before())?.[0] ?? "";
  const inTextOrComment = () => /'|--/.test(before().replace(/'[^']*'|--.*\n/g, ""));
  // After `from` come tables; after `users.` its columns.
  function candidates(table) {
    if (table in tables) return tables[table].map((column) => [column, table]);
    return /\b(from|join)\s+\w*$/i.test(before()) ? words.filter(([, kind]) => kind === "table") : words;
  }
  function close() { list.hidden = true; found = []; moved = false; field.removeAttribute("aria-activedescendant"); }
  function choose(index) {
    chosen = index;
    [...list.children].forEach((each, i) => each.setAttribute("aria-selected", String(i === index)));
    field.setAttribute("aria-activedescendant", list.children[index].id);
    list.children[index].scrollIntoView({ block: "nearest" });
  }
  function take(index) {
    const start = typed().split(".").pop(), at = field.selectionStart;
    field.setRangeText(found[index][0], at - start.length, at, "end");
    close();
    field.focus();
  }
  async function complete() {
    await load();
    const [start, table = ""] = typed().toLowerCase().split(".").reverse();
    moved = false;
    if (!start || inTextOrComment()) return close();
    found = candidates(table).filter(([word]) => word.toLowerCase().startsWith(start) && word.toLowerCase() !== start).slice(0, 8);
    if (!found.length) return close();
    list.replaceChildren(...found.map(([word, kind], i) => {
      const item = document.createElement("li");
      item.id = `completion-${i}`;
      item.setAttribute("role", "option");
      const [label, note] = [document.createElement("span"), document.createElement("small")];
      label.textContent = word;
      note.textContent = kind;
      item.append(label, note);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); take(i); });
      return item;
    }));
    list.hidden = false;
    choose(0);
  }

  field.addEventListener("input", complete);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); return; }
    if (list.hidden) return;
    if (event.key === "ArrowDown") { event.preventDefault(); moved = true; choose((chosen + 1) % found.length); }
    else if (event.key === "ArrowUp") { event.preventDefault(); moved = true; choose((chosen - 1 + found.length) % found.length); }
    else if (event.key === "Tab" || (event.key === "Enter" && moved)) { event.preventDefault(); take(chosen); }
    else if (event.key === "Escape") { event.stopPropagation(); close(); }
  });
})();
