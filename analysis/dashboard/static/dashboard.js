// What pages do in the browser: theme, time zone, keyboard, the filter field. Parts of pages are fetched by htmx.
(() => {
  "use strict";
  const root = document.documentElement;
  const base = root.dataset.base;
  const remember = (name, value) => { document.cookie = `${name}=${encodeURIComponent(value)}; path=${base}; max-age=31536000; SameSite=Strict`; };

  // Days and hours are those of the browser's zone. The server learns it once, by a cookie.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && root.dataset.zone !== zone && !new URLSearchParams(location.search).has("zone")) {
    const cookie = `heliograph_zone=${encodeURIComponent(zone)}`;
    const wasTold = document.cookie.includes(cookie);
    remember("heliograph_zone", zone);
    if (!wasTold && document.cookie.includes(cookie)) location.reload();
  }

  const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  function switchTheme() {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember("heliograph_theme", root.dataset.theme);
    document.dispatchEvent(new Event("heliograph:theme"));
  }

  const toggleMenu = (button) => button.setAttribute("aria-expanded", document.getElementById("navigation").classList.toggle("open"));

  document.addEventListener("click", (event) => {
    const at = event.target.closest("[data-theme-switch], [data-open-help], [data-toggle-menu]");
    if (at?.matches("[data-theme-switch]")) switchTheme();
    if (at?.matches("[data-open-help]")) document.getElementById("help").showModal();
    if (at?.matches("[data-toggle-menu]")) toggleMenu(at);
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });

  // Keyboard
  const rows = () => [...document.querySelectorAll("tr[data-row]")].filter((row) => row.querySelector("a"));
  function step(by) {
    const all = rows();
    const now = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(now + by, 0), all.length - 1)];
    next?.querySelector("a").focus();
    next?.scrollIntoView({ block: "nearest" });
  }
  let goes = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, textarea, select, [contenteditable]");
    if (event.key === "Escape") {
      const menu = document.querySelector("details.menu[open]");
      const navigation = document.querySelector("[data-toggle-menu][aria-expanded=true]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
      else if (navigation && !document.querySelector("dialog[open]")) { toggleMenu(navigation); navigation.focus(); }
      else if (typing) event.target.blur();
      return;
    }
    if (typing || document.querySelector("dialog[open]")) return;
    if (Date.now() - goes < 1500) {
      goes = 0;
      const link = [...document.querySelectorAll("a[data-letter]")].find((each) => each.dataset.letter === event.key);
      if (link) { event.preventDefault(); location.assign(link.href); }
      return;
    }
    const field = document.getElementById("token") ?? document.getElementById("statement");
    if (event.key === "/" && field) { event.preventDefault(); field.focus(); }
    else if (event.key === "?") document.getElementById("help")?.showModal();
    else if (event.key === "g") goes = Date.now();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
  });

  // The filter field: suggestions of names, then of values; Enter adds the token to the address.
  const form = document.querySelector("[data-token-form]");
  if (form) {
    const field = form.querySelector("input");
    const list = form.querySelector("[role=listbox]");
    let asked = 0, chosen = -1, found = [];
    const close = () => { list.hidden = true; field.setAttribute("aria-expanded", "false"); field.removeAttribute("aria-activedescendant"); chosen = -1; };
    const choose = (index) => {
      chosen = index;
      [...list.children].forEach((each, i) => each.setAttribute("aria-selected", String(i === index)));
      if (index >= 0) { field.setAttribute("aria-activedescendant", list.children[index].id); list.children[index].scrollIntoView({ block: "nearest" }); }
    };
    const take = (suggestion) => {
      field.value = suggestion.text;
      if (suggestion.is_whole) form.requestSubmit(); else { field.focus(); ask(); }
    };
    async function ask() {
      const number = ++asked;
      const url = new URL(form.dataset.suggest, location.href);
      url.search = location.search;
      url.searchParams.set("q", field.value);
      let answer = [];
      try {
        const response = await fetch(url, { headers: { "HX-Request": "true" } });
        if (response.ok && response.headers.get("content-type")?.includes("json")) answer = await response.json();
      } catch { /* the field works without suggestions */ }
      if (number !== asked || document.activeElement !== field) return;
      found = answer;
      list.replaceChildren(...answer.map((each, i) => {
        const item = document.createElement("li");
        item.id = `suggestion-${i}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        const [label, note] = [document.createElement("span"), document.createElement("small")];
        label.textContent = each.label;
        note.textContent = each.note ?? "";
        item.append(label, note);
        item.addEventListener("mousedown", (event) => { event.preventDefault(); take(each); });
        return item;
      }));
      list.hidden = !answer.length;
      field.setAttribute("aria-expanded", String(answer.length > 0));
      chosen = -1;
    }
    let timer = 0;
    field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 120); });
    field.addEventListener("focus", ask);
    field.addEventListener("blur", close);
    field.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" && found.length) { event.preventDefault(); choose((chosen + 1) % found.length); }
      else if (event.key === "ArrowUp" && found.length) { event.preventDefault(); choose((chosen - 1 + found.length) % found.length); }
      else if ((event.key === "Enter" || (event.key === "Tab" && chosen >= 0)) && chosen >= 0 && !list.hidden) { event.preventDefault(); take(found[chosen]); }
      else if (event.key === "Escape") close();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = field.value.trim();
      if (!text) return;
      const url = new URL(location.href);
      url.searchParams.append("token", text);
      location.assign(url);
    });
  }

  // A window of time out of the calendar fields, in the zone that the page shows.
  document.querySelector("[data-window]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const url = new URL(location.href);
    for (const field of event.target.querySelectorAll("input")) {
      if (field.value) url.searchParams.set(field.name, field.value); else url.searchParams.delete(field.name);
    }
    location.assign(url);
  });

  // Snippets name the proxy by the address that this page has.
  if (!document.querySelector("[data-alone]")) {
    for (const each of document.querySelectorAll("[data-proxy]")) each.textContent = each.textContent.replaceAll("http://127.0.0.1:8787", location.origin);
  }

  // Saved views: addresses with a name, kept in this browser only.
  const views = document.querySelector("[data-views]");
  if (views) {
    const KEY = "heliograph.views";
    const read = () => { try { const found = JSON.parse(localStorage.getItem(KEY) ?? "[]"); return Array.isArray(found) ? found : []; } catch { return []; } };
    const list = views.querySelector("ul");
    const show = () => list.replaceChildren(...read().filter((each) => String(each.href).startsWith(`${base}/`)).map((each) => {
      const [item, link, remove] = [document.createElement("li"), document.createElement("a"), document.createElement("button")];
      link.href = each.href;
      link.textContent = each.name;
      remove.type = "button";
      remove.className = "quiet";
      remove.textContent = "×";
      remove.setAttribute("aria-label", `Forget ${each.name}`);
      remove.addEventListener("click", () => { localStorage.setItem(KEY, JSON.stringify(read().filter((other) => other.name !== each.name))); show(); });
      item.append(link, remove);
      return item;
    }));
    show();
    views.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = event.target.elements.name.value.trim();
      if (!name) return;
      const href = location.pathname + location.search;
      localStorage.setItem(KEY, JSON.stringify([...read().filter((each) => each.name !== name), { name, href }].slice(-50)));
      event.target.reset();
      show();
    });
  }

  // The chosen columns of a table: in the address, and remembered.
  document.querySelector("[data-columns]")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const names = [...event.target.querySelectorAll("input:checked")].map((each) => each.name).join(",");
    remember("heliograph_columns", names);
    const url = new URL(location.href);
    url.searchParams.set("columns", names);
    location.assign(url);
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    event.detail.target.removeAttribute?.("aria-busy");
    // Once for a page: its parts come one by one, and some come again every few seconds.
    const arrival = document.getElementById("arrival");
    if (arrival && !arrival.textContent && !document.querySelector(".part[aria-busy]")) arrival.textContent = "The page is complete.";
  });
  for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
    document.addEventListener(name, (event) => {
      const words = document.createElement("p");
      words.className = "notice error";
      words.setAttribute("role", "alert");
      words.textContent = "heliograph does not answer. Is it running? Load the page again to try once more.";
      event.detail.target?.classList.add("arrived");
      event.detail.target?.replaceChildren(words);
    });
  }
})();
