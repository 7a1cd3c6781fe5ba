// Until a part of a page arrives it is as high as it was the last time, so that nothing below it moves; then as high as
// what is in it. Runs before the page is drawn. Kept for the parts of the pages of the navigation, at about this width.
(() => {
  "use strict";
  const KEY = "heliograph.heights";
  const base = document.documentElement.dataset.base;
  const width = Math.round(innerWidth / 160);
  const heights = (() => { try { return JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {}; } catch { return {}; } })();
  const pathOf = (part) => new URL(part.getAttribute("hx-get"), location.href).pathname;

  const here = `${location.pathname}/-/`;
  const rules = Object.entries(heights).flatMap(([key, height]) => {
    const [path, at] = key.split(" ");
    if (!path.startsWith(here) || Number(at) !== width || !Number.isFinite(height)) return [];
    const [whole, begun] = [JSON.stringify(path), JSON.stringify(`${path}?`)];
    return [`.part:is([hx-get=${whole}], [hx-get^=${begun}]):not(.arrived) { min-height: ${height}px; height: ${height}px; overflow: hidden; }`];
  });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(rules.join("\n"));
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

  function keep(part) {
    const path = pathOf(part);
    const key = `${path} ${width}`;
    if (!/^\/[^/]+\/-\//.test(path.slice(base.length)) || heights[key] === part.offsetHeight) return;
    heights[key] = part.offsetHeight;
    try { localStorage.setItem(KEY, JSON.stringify(heights)); } catch { /* full, or not allowed: the usual heights do */ }
  }
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target?.matches?.(".part[hx-get]")) event.detail.target.classList.add("arrived");
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target?.matches?.(".part[hx-get]")) keep(event.detail.target);
  });
})();
