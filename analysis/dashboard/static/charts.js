// Draws every element with `data-chart`: stacked bars or lines over time. The numbers are in a table beside it.
(() => {
  "use strict";
  const drawn = new Map();
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colourOf = (each) => css(each.colour === "others" ? "--others" : `--series-${each.colour}`);

  // Stripes of a name whose colour another name of the chart has, too: the same as of `.t-1` to `.t-3` in dashboard.css.
  function fillOf(each) {
    const colour = colourOf(each);
    if (!each.texture) return colour;
    const size = 6 * devicePixelRatio;
    const tile = new OffscreenCanvas(size, size);
    const context = tile.getContext("2d");
    context.fillStyle = colour;
    context.fillRect(0, 0, size, size);
    context.strokeStyle = css("--background");
    context.globalAlpha = 0.6;
    context.lineWidth = size / 4;
    const ends = [[[0, 0], [1, 1]], [[0, 1], [1, 0]], [[0, 0.5], [1, 0.5]]][each.texture - 1];
    for (const shift of each.texture === 3 ? [0] : [-1, 0, 1]) {
      context.beginPath();
      for (const [x, y] of [[-1, -1], [2, 2]].map((far) => far.map((t, axis) => ends[0][axis] + t * (ends[1][axis] - ends[0][axis])))) context.lineTo((x + shift) * size, y * size);
      context.stroke();
    }
    return plotContext.createPattern(tile, "repeat");
  }
  const plotContext = new OffscreenCanvas(1, 1).getContext("2d");

  const short = (value) => {
    for (const [size, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
      if (Math.abs(value) >= size) return `${+(value / size).toPrecision(3)}${unit}`;
    }
    return `${+value.toPrecision(3)}`;
  };
  const duration = (ms) =>
    ms < 1000 ? `${Math.round(ms)} ms` : ms < 60000 ? `${+(ms / 1000).toPrecision(3)} s`
      : ms < 7200000 ? `${+(ms / 60000).toPrecision(3)} min` : `${+(ms / 3600000).toPrecision(3)} h`;
  const show = {
    usd: (value) => `$${short(value)}`,
    count: short,
    duration,
    percent: (value) => `${+(value * 100).toPrecision(3)}%`,
  };

  // 23 Oct, with the year at the first one and in January; by the hour 14:00, with the day at the first one and at midnight.
  const whole = [...Array(16).keys()].flatMap((power) => [1, 2, ...(power ? [2.5] : []), 5].map((each) => each * 10 ** power));
  const [second, minute, hour] = [1000, 60000, 3600000];
  const lengths = [
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500], ...[1, 2, 5, 10, 15, 30].map((each) => each * second),
    ...[1, 2, 5, 10, 15, 30].map((each) => each * minute), ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((each) => each * hour),
  ];
  const steps = { count: whole, duration: lengths };
  const [asDay, asYear, asHour] = ["{D} {MMM}", "{YYYY}", "{HH}:{mm}"].map((pattern) => uPlot.fmtDate(pattern));
  const times = (tzDate) => (_, moments, __, ___, step) => moments.map((moment, i) => {
    const at = tzDate(moment);
    if (step >= 86400) return asDay(at) + (i === 0 || (at.getMonth() === 0 && at.getDate() * 86400 <= step) ? `\n${asYear(at)}` : "");
    return asHour(at) + (i === 0 || at.getHours() * 3600 + at.getMinutes() * 60 < step ? `\n${asDay(at)}` : "");
  });

  // Values on top of each other, from the last series to the first, so that the first is drawn below.
  function stack(series) {
    const sums = new Array(series[0].values.length).fill(0);
    return series.map((each) => each.values.map((value, i) => (sums[i] += value ?? 0)));
  }

  // The places of values that no line leads to or from: without a point nobody would see them.
  const alone = (values) => [...values.keys()].filter((i) => values[i] != null && values[i - 1] == null && values[i + 1] == null);

  function draw(element) {
    const chart = JSON.parse(element.dataset.chart);
    if (!chart.series.length) return;
    const ends = chart.x;
    const x = ends.slice(0, -1);
    const zone = document.documentElement.dataset.zone;
    const tzDate = (seconds) => {
      try { return uPlot.tzDate(new Date(seconds * 1000), zone); } catch { return new Date(seconds * 1000); }
    };
    const heights = chart.stacked ? stack(chart.series) : chart.series.map((each) => each.values);
    const order = chart.stacked ? chart.series.map((_, i) => chart.series.length - 1 - i) : chart.series.map((_, i) => i);
    const text = css("--muted");
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const axis = { stroke: text, grid: { stroke: css("--line"), width: 1 }, ticks: { show: false }, font: `${Math.round(0.75 * rem)}px system-ui, sans-serif` };
    const bars = uPlot.paths.bars({ size: [0.8, 60], align: 1 });
    const options = {
      width: Math.max(element.clientWidth, 100),
      height: element.clientHeight || 208,
      tzDate,
      legend: { show: false },
      cursor: { y: false, points: { show: !chart.stacked }, drag: { x: true, y: false, setScale: false } },
      scales: {
        x: { time: true, range: () => [ends[0], ends[ends.length - 1]] },
        y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] },
      },
      axes: [
        { ...axis, size: 3.1 * rem, space: 3.2 * rem, values: times(tzDate) },
        { ...axis, size: 3.9 * rem, values: (_, values) => values.map((value) => show[chart.unit](value)), ...(steps[chart.unit] ? { incrs: steps[chart.unit] } : {}) },
      ],
      series: [{}, ...order.map((i) => {
        const colour = colourOf(chart.series[i]);
        const fill = fillOf(chart.series[i]);
        return chart.stacked
          ? { label: chart.series[i].name, fill: () => fill, stroke: colour, width: 0, paths: bars, points: { show: false } }
          : { label: chart.series[i].name, stroke: colour, width: 2, spanGaps: false, points: { show: false, size: 5, fill: colour, filter: () => alone(heights[i]) } };
      })],
      hooks: { setCursor: [(plot) => tell(plot, element, chart, tzDate)], setSelect: [(plot) => zoom(plot, chart)] },
    };
    drawn.get(element)?.destroy();
    element.replaceChildren();
    const plot = new uPlot(options, [x, ...order.map((i) => heights[i])], element);
    drawn.set(element, plot);
    let downAt = 0;
    plot.over.addEventListener("mousedown", (event) => { downAt = event.clientX; });
    plot.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - downAt) < 4) open(plot, chart);
    });
  }

  function seriesAt(plot, chart) {
    const { idx, top } = plot.cursor;
    if (idx == null || !chart.stacked) return chart.series[0];
    const value = plot.posToVal(top, "y");
    let sum = 0;
    return chart.series.find((each) => (sum += each.values[idx] ?? 0) >= value && each.values[idx]) ?? null;
  }

  const iso = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");

  // A bar leads to the calls behind it: of its series, in its time.
  function open(plot, chart) {
    const { idx } = plot.cursor;
    const series = seriesAt(plot, chart);
    const href = series?.href ?? chart.series.find((each) => each.href)?.href;
    if (idx == null || !href) return;
    const url = new URL(href, location.href);
    url.searchParams.set("since", iso(chart.x[idx]));
    url.searchParams.set("until", iso(chart.x[idx + 1]));
    location.assign(url);
  }

  // A stretch that is dragged becomes the window of the page.
  function zoom(plot, chart) {
    if (plot.select.width < 8) return;
    const from = chart.x[plot.posToIdx(plot.select.left)];
    const to = chart.x[plot.posToIdx(plot.select.left + plot.select.width) + 1];
    const url = new URL(location.href);
    url.searchParams.set("since", iso(from));
    url.searchParams.set("until", iso(to));
    location.assign(url);
  }

  function tell(plot, element, chart, tzDate) {
    let tip = element.querySelector(".tip");
    const { idx, left } = plot.cursor;
    if (idx == null || left < 0) { tip?.remove(); return; }
    if (!tip) { tip = document.createElement("div"); tip.className = "tip"; element.append(tip); }
    const line = (name, value, className) => {
      const p = document.createElement("p");
      p.className = className ?? "";
      const [a, b] = [document.createElement("span"), document.createElement("b")];
      a.textContent = name; b.textContent = value; p.append(a, b);
      return p;
    };
    const at = uPlot.fmtDate(chart.x[1] - chart.x[0] >= 72000 ? "{YYYY}-{MM}-{DD}" : "{YYYY}-{MM}-{DD} {HH}:{mm}")(tzDate(chart.x[idx]));
    const shown = chart.series.filter((each) => each.values[idx]);
    const sum = shown.reduce((total, each) => total + each.values[idx], 0);
    tip.replaceChildren(
      line(at, chart.stacked ? show[chart.unit](sum) : "", "at"),
      ...shown.map((each) => line(each.name, show[chart.unit](each.values[idx]))),
    );
    const isRight = left > plot.over.clientWidth / 2;
    tip.style.left = isRight ? "auto" : `${plot.over.offsetLeft + left + 14}px`;
    tip.style.right = isRight ? `${element.clientWidth - plot.over.offsetLeft - left + 14}px` : "auto";
    tip.style.top = "0";
  }

  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const plot = drawn.get(target);
      if (plot && target.clientWidth && plot.width !== target.clientWidth) plot.setSize({ width: target.clientWidth, height: target.clientHeight });
    }
  });
  function drawAll(root) {
    for (const element of root.querySelectorAll("[data-chart]")) {
      if (!drawn.has(element)) { draw(element); resized.observe(element); }
    }
    for (const element of drawn.keys()) if (!element.isConnected) { drawn.get(element).destroy(); drawn.delete(element); }
  }
  const redraw = () => { for (const element of [...drawn.keys()]) draw(element); };
  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("htmx:afterSwap", (event) => drawAll(event.detail.target));
  document.addEventListener("heliograph:theme", redraw);
  // Paper is light: a chart in the colours of the dark theme would not fit its legend there.
  for (const media of ["(prefers-color-scheme: dark)", "print"]) matchMedia(media).addEventListener("change", redraw);
})();
