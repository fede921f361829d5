"use strict";
// Drawing: elements, scales, and four kinds of chart. Nothing here knows what the figures mean.
// All text is set as text, never as markup.
const NS = "http://www.w3.org/2000/svg";

function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name !== "color") node.setAttribute(name, value);
  }
  if (attributes?.color) node.style.setProperty("--c", attributes.color);
  node.append(...children.flat().filter(c => c != null));
  return node;
}
const el = (tag, attributes, ...children) => make(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => make(document.createElementNS(NS, tag), attributes, children);

// ---- numbers for people ----
const trim = (x, digits) => {
  if (x === 0) return "0";
  const a = Math.abs(x);
  if (a >= 1000) return Math.round(x).toLocaleString("en-US");
  return String(+x.toPrecision(digits));
};
const plain = x => x == null ? "–" : trim(x, 3);
const hundredths = x => x == null ? "–" : Math.abs(x) < 1000 ? x.toFixed(2) : Math.round(x).toLocaleString("en-US");
const exact = x => x == null ? "–" : Number.isInteger(x) ? x.toLocaleString("en-US") : trim(x, 6);
const percent = x => x == null ? "–" : (x >= 0.9999 && x < 1 ? (100 * x).toFixed(4) : (100 * x).toFixed(2)) + " %";
const dollars = x => x == null ? "–" : "$" + (x >= 1000 ? Math.round(x).toLocaleString("en-US") : x.toFixed(2));
const latency = (x, digits = 3) => x == null ? "–" : x === 0 ? "0 s" : x < 0.9995 ? trim(x * 1000, 3) + " ms" : trim(x, digits) + " s";
const latencyExact = x => latency(x, 4);
/// A time of the run: "1d 6h", "2h 05m", "1m 30s".
function clock(t, units = 4) {
  const whole = Math.round(t * 1000) / 1000, d = Math.floor(whole / 86400), h = Math.floor(whole % 86400 / 3600),
    m = Math.floor(whole % 3600 / 60), s = +(whole % 60).toFixed(3);
  const parts = [[d, "d"], [h, "h"], [m, "m"], [s, "s"]].filter(([n]) => n > 0);
  return parts.length === 0 ? "0" : parts.slice(0, units).map(([n, unit]) => n + unit).join(" ");
}

// ---- scales ----
const kTimeSteps = [0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
  172800, 604800, 2592000];
function timeTicks(from, to, most) {
  const step = kTimeSteps.find(s => (to - from) / s <= most) ?? (to - from) / most, ticks = [];
  for (let t = Math.ceil(from / step - 1e-9) * step; t <= to + 1e-9; t += step) ticks.push(t);
  return ticks;
}
function niceTicks(top, most) {
  const raw = top / most, unit = 10 ** Math.floor(Math.log10(raw)),
    step = unit * ([1, 2, 2.5, 5, 10].find(k => unit * k >= raw - 1e-12) ?? 10), ticks = [];
  for (let v = 0; v <= top + step * 1e-6; v += step) ticks.push(+v.toPrecision(12));
  return ticks;
}
/// y of a value, and its ticks. A log scale shows what is below its least positive value at the foot.
function yScale(values, { log, top: height, least = 0 }, [y0, y1]) {
  const seen = values.filter(v => v != null && isFinite(v));
  const top = Math.max(least, height ?? 0, ...seen);
  if (log) {
    const positive = seen.filter(v => v > 0);
    if (positive.length > 0) {
      const lo = Math.floor(Math.log10(Math.min(...positive)) + 1e-9);
      const hi = Math.max(lo + 1, Math.ceil(Math.log10(Math.max(top, ...positive)) - 1e-9));
      const ticks = [];
      for (let e = lo; e <= hi; ++e) ticks.push(10 ** e);
      return { y: v => y0 - (y0 - y1) * Math.max(0, (Math.log10(Math.max(v, 1e-300)) - lo) / (hi - lo)), ticks };
    }
  }
  const ticks = niceTicks(top > 0 ? top : 1, 4), end = Math.max(top > 0 ? top : 1, ticks[ticks.length - 1]);
  return { y: v => y0 - (y0 - y1) * v / end, ticks };
}

// ---- tooltip ----
const tip = {
  show(event, head, rows) {
    const box = document.getElementById("tip");
    box.replaceChildren(el("div", { class: "head" }, head), el("table", null, rows.map(r => el("tr", null,
      el("td", { class: "name" }, r.color ? el("span", { class: "mark", color: r.color }) : null, r.name),
      el("td", null, r.value), r.note == null ? null : el("td", { class: "left" }, r.note)))));
    box.style.display = "block";
    const w = box.offsetWidth, high = box.offsetHeight;
    const x = event.clientX + 16 + w > innerWidth ? event.clientX - w - 16 : event.clientX + 16;
    box.style.left = Math.max(4, x) + "px";
    box.style.top = Math.max(4, Math.min(innerHeight - high - 8, event.clientY + 14)) + "px";
  },
  hide() { document.getElementById("tip").style.display = "none"; },
};

const key = k => el("span", { class: "key" },
  el("span", { class: "mark " + (k.dash ? "dash" : k.area ? "" : "line"), color: k.color }), k.name);
function caption(title, keys, ...more) {
  return el("figcaption", null, el("b", null, title), keys.map(key), more);
}

// ---- charts over time ----
const kLeft = 54, kRight = 14, kTop = 10, kFoot = 22;
/// Index of the bucket that holds t.
function bucketAt(from, t) {
  let lo = 0, hi = from.length - 1;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if (from[mid] <= t) lo = mid; else hi = mid - 1;
  }
  return lo;
}
/// Points [t, values of each column] of a line, in stretches without gaps: bucket middles, or for steps the
/// corners (equal neighbours make one step).
function stretches(series, ...columns) {
  const { from, to } = series, out = [];
  let current = null, last = null;
  for (let i = 0; i < from.length; ++i) {
    const values = columns.map(c => c[i]), end = i + 1 < from.length ? from[i + 1] : to;
    if (values.some(v => v == null)) { current = null; continue; }
    if (current === null) out.push(current = []);
    else if (series.step && values.every((v, k) => v === last[k])) { current[current.length - 1][0] = end; continue; }
    if (series.step) current.push([from[i], values], [end, values]);
    else current.push([(from[i] + end) / 2, values]);
    last = values;
  }
  return out;
}
const joined = points => points.map(([x, y]) => x.toFixed(1) + " " + y.toFixed(1)).join("L");
function path(series, values, x, y) {
  return stretches(series, values).map(points => "M" + joined(points.map(([t, [v]]) => [x(t), y(v)])) + (points.length === 1 ? "h.1" : "")).join("");
}
/// Between two columns of values, a closed shape a stretch.
function band(series, low, high, x, y) {
  return stretches(series, low, high).map(points => "M" + joined(points.map(([t, [, v]]) => [x(t), y(v)])) + "L" +
    joined(points.map(([t, [v]]) => [x(t), y(v)]).reverse()) + "Z").join("");
}

const charts = [];  // of the page, for the common crosshair
/// o: {title, lines: [{name, color, from, to, values, low, high, step, dash, area, thin}], refs: [{value, name}],
///     keys: [{name, color}], range, format, log, onLog, onZoom, rows(t), height, top, least, none}
/// `low` and `high` shade what a bucket spans; `area` fills from `low` or the foot, 1: without a line.
function timeChart(o) {
  const figure = el("figure"), lines = o.lines.filter(l => l.values.length > 0);
  figure.append(caption(o.title, o.keys ?? [], o.onLog ? el("button", { type: "button", onclick: o.onLog,
    "aria-label": "scale of " + o.title }, o.log ? "log" : "linear") : null));
  if (lines.every(l => l.values.every(v => v == null))) {
    figure.append(el("div", { class: "empty" }, o.none ?? "Nothing was measured."));
    return figure;
  }
  figure.draw = () => {
    const width = Math.max(280, figure.clientWidth - 24), height = o.height ?? 190;
    const [t0, t1] = o.range, x = t => kLeft + (width - kLeft - kRight) * (t - t0) / (t1 - t0);
    const seen = [];
    for (const l of lines) l.from.forEach((f, i) => {
      const end = i + 1 < l.from.length ? l.from[i + 1] : l.to;
      if (end >= t0 && f <= t1) seen.push(l.values[i], l.high?.[i], o.log ? l.low?.[i] : null);
    });
    const scale = yScale([...seen, ...(o.refs ?? []).map(r => r.value)], o, [height - kFoot, kTop]);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": o.title });
    const clip = "clip" + (timeChart.count = (timeChart.count ?? 0) + 1);
    root.append(svg("clipPath", { id: clip }, svg("rect", { x: kLeft, y: 0, width: width - kLeft - kRight, height })));
    for (const v of scale.ticks) root.append(
      svg("line", { class: "grid-line", x1: kLeft, x2: width - kRight, y1: scale.y(v), y2: scale.y(v) }),
      svg("text", { x: kLeft - 6, y: scale.y(v) + 4, "text-anchor": "end" }, o.format(v)));
    for (const t of timeTicks(t0, t1, Math.floor(width / 75))) root.append(
      svg("line", { class: "axis", x1: x(t), x2: x(t), y1: height - kFoot, y2: height - kFoot + 4 }),
      svg("text", { x: x(t), y: height - 5, "text-anchor": t - t0 < (t1 - t0) * .02 ? "start" :
        t1 - t < (t1 - t0) * .02 ? "end" : "middle" }, clock(t)));
    const inside = svg("g", { "clip-path": `url(#${clip})`, "stroke-linejoin": "round" });
    for (const l of lines) {
      const fill = (low, high, opacity) => inside.append(svg("path", { d: band(l, low, high, x, scale.y),
        style: `fill:${l.color}`, "fill-opacity": opacity }));
      if (l.area) fill(l.low ?? l.values.map(() => 0), l.values, l.area);
      else if (l.low && l.high) fill(l.low, l.high, .16);
      if (l.area !== 1) inside.append(svg("path", { d: path(l, l.values, x, scale.y), fill: "none",
        style: `stroke:${l.color}`, "stroke-width": l.thin ? 1 : 1.6, "stroke-dasharray": l.dash ? "5 4" : null }));
    }
    for (const r of o.refs ?? []) inside.append(
      svg("line", { class: "ref", x1: kLeft, x2: width - kRight, y1: scale.y(r.value), y2: scale.y(r.value) }),
      svg("text", { class: "ref-name", x: width - kRight - 4, y: scale.y(r.value) - 4, "text-anchor": "end" }, r.name));
    const cross = svg("line", { class: "cross", y1: kTop, y2: height - kFoot, visibility: "hidden" });
    const picked = svg("rect", { class: "select", y: kTop, height: height - kFoot - kTop, visibility: "hidden" });
    root.append(inside, picked, cross, overlay(o, x, [t0, t1], width, height, picked));
    figure.cross = t => {
      const on = t != null && t >= t0 && t <= t1;
      cross.setAttribute("visibility", on ? "visible" : "hidden");
      if (on) { cross.setAttribute("x1", x(t)); cross.setAttribute("x2", x(t)); }
    };
    figure.querySelector("svg")?.remove();
    figure.querySelector("figcaption").after(root);
  };
  charts.push(figure);
  return figure;
}

/// Hover, and drag to zoom.
function overlay(o, x, [t0, t1], width, height, picked) {
  let began = null;
  const timeOf = event => {
    const box = event.currentTarget.getBoundingClientRect();
    return t0 + (t1 - t0) * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const everyone = t => { for (const c of charts) c.cross?.(t); };
  return svg("rect", { class: "over", x: kLeft, y: 0, width: width - kLeft - kRight, height: height - kFoot,
    onpointerdown: event => { began = timeOf(event); event.currentTarget.setPointerCapture(event.pointerId); },
    onpointermove: event => {
      const t = timeOf(event);
      everyone(t);
      if (began != null) {
        picked.setAttribute("visibility", "visible");
        picked.setAttribute("x", x(Math.min(began, t)));
        picked.setAttribute("width", Math.abs(x(t) - x(began)));
      }
      const { head, rows } = o.rows(t);
      tip.show(event, head, rows);
    },
    onpointerup: event => {
      const t = timeOf(event), from = began;
      began = null;
      picked.setAttribute("visibility", "hidden");
      if (from != null && Math.abs(x(t) - x(from)) > 6) o.onZoom([Math.min(t, from), Math.max(t, from)]);
    },
    onpointerleave: () => { everyone(null); tip.hide(); },
    ondblclick: () => o.onZoom(null) });
}

/// o: {title, points: [{name, x, y, color, bound, rows}], refs: [{value, name}], xFormat, xName}. y counts nines:
/// equal steps are equal factors of misses. A bound is drawn as a diamond and joins no front.
function plane(o) {
  const figure = el("figure");
  figure.append(caption(o.title, []));
  if (o.points.length === 0) {
    figure.append(el("div", { class: "empty" }, "No results."));
    return figure;
  }
  figure.draw = () => {
    const width = Math.max(320, figure.clientWidth - 24), height = 330, left = 64, right = 90, foot = 40;
    const nines = a => -Math.log10(Math.max(1 - a, 1e-5));
    const marks = [0, .5, .8, .9, .95, .99, .995, .999, .9999, .99999];
    const ys = [...o.points.map(p => nines(p.y)), ...o.refs.map(r => nines(r.value))];
    const lo = Math.max(0, Math.min(...ys) - .12), hi = Math.min(5, Math.max(...ys, lo + .5) + .15);
    const top = Math.max(...o.points.map(p => p.x), 1e-9) * 1.06, ticks = niceTicks(top, 6).filter(v => v <= top);
    const x = v => left + (width - left - right) * v / top, y = a => height - foot - (height - foot - 14) * (nines(a) - lo) / (hi - lo);
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": o.title });
    let lowest = Infinity;
    for (const a of marks.filter(a => nines(a) >= lo && nines(a) <= hi)) {
      root.append(svg("line", { class: "grid-line", x1: left, x2: width - right, y1: y(a), y2: y(a) }));
      if (lowest - y(a) < 15) continue;
      lowest = y(a);
      root.append(svg("text", { x: left - 7, y: y(a) + 4, "text-anchor": "end" }, (a > .99998 ? "≥ " : "") + +(a * 100).toFixed(3) + " %"));
    }
    for (const v of ticks) root.append(svg("text", { x: x(v), y: height - foot + 16, "text-anchor": "middle" }, o.xFormat(v)),
      svg("line", { class: "axis", x1: x(v), x2: x(v), y1: height - foot, y2: height - foot + 4 }));
    root.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: height - foot, y2: height - foot }),
      svg("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, o.xName));
    for (const r of o.refs) root.append(svg("line", { class: "ref", x1: left, x2: width - right, y1: y(r.value), y2: y(r.value) }),
      svg("text", { class: "ref-name", x: width - right + 4, y: y(r.value) + 4 }, r.name));
    const real = o.points.filter(p => !p.bound), front = real.filter(p => !real.some(q => q !== p && q.x <= p.x && q.y >= p.y && (q.x < p.x || q.y > p.y)))
      .sort((a, b) => a.x - b.x);
    if (front.length > 1) root.append(svg("path", { class: "cross", fill: "none",
      d: front.map((p, i) => i === 0 ? `M${x(p.x)} ${y(p.y)}` : `H${x(p.x)}V${y(p.y)}`).join("") }));
    const taken = o.points.map(p => ({ x0: x(p.x) - 7, x1: x(p.x) + 7, y: y(p.y) + 4 }));
    for (const p of o.points) {
      const px = x(p.x), py = y(p.y), over = { onpointermove: e => tip.show(e, p.name, p.rows), onpointerleave: tip.hide };
      root.append(p.bound
        ? svg("path", { d: `M${px} ${py - 8}L${px + 8} ${py}L${px} ${py + 8}L${px - 8} ${py}Z`, style: `stroke:${p.color};fill:var(--card)`,
          "stroke-width": 2, ...over })
        : svg("circle", { cx: px, cy: py, r: 6, style: `fill:${p.color}`, ...over }));
      const short = p.name.length > 24 ? p.name.slice(0, 23) + "…" : p.name, long = short.length * 6.6;
      // The nearest free place beside the point, so that names of neighbours stay readable.
      const places = [0, 13, -13, 26, -26, 39, -39, 52, -52, 65, -65].flatMap(dy => [[10, dy], [-10, dy]]).map(([dx, dy]) => {
        const tx = px + dx, ty = py + 4 + dy;
        return { tx, ty, dy, anchor: dx > 0 ? "start" : "end", x0: dx > 0 ? tx : tx - long, x1: dx > 0 ? tx + long : tx, y: ty };
      });
      const free = a => a.x0 > left && a.x1 < width - 2 && a.y > 10 && a.y < height - foot &&
        taken.every(t => t.x1 < a.x0 || t.x0 > a.x1 || Math.abs(t.y - a.y) >= 12);
      const place = places.find(free) ?? places[0];
      taken.push(place);
      if (Math.abs(place.dy) > 13) root.append(svg("line", { class: "axis", x1: px, y1: py, x2: place.tx, y2: place.ty - 4 }));
      const { tx: at, ty, anchor } = place;
      root.append(svg("text", { class: "name", x: at, y: ty, "text-anchor": anchor, ...over }, short));
    }
    figure.querySelector("svg")?.remove();
    figure.querySelector("figcaption").after(root);
  };
  return figure;
}

/// o: {title, rows: [{name, parts: [[stage, value]], rows, faint}], top, format, colors}
function waterfall(o) {
  const figure = el("figure");
  const used = Object.keys(o.colors).filter(k => o.rows.some(r => r.parts.some(p => p[0] === k)));
  figure.append(caption(o.title, used.map(k => ({ name: k, color: o.colors[k], area: true }))));
  if (o.rows.length === 0) {
    figure.append(el("div", { class: "empty" }, o.none));
    return figure;
  }
  figure.draw = () => {
    const n = o.rows.length, high = Math.min(18, Math.max(2, 340 / n)), named = high >= 12;
    const width = Math.max(280, figure.clientWidth - 24), left = 96, right = 14, height = n * high + 30;
    const ticks = niceTicks(o.top > 0 ? o.top : 1, 5), end = Math.max(o.top, ticks[ticks.length - 1]);
    const x = v => left + (width - left - right) * v / end;
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": o.title });
    for (const v of ticks) root.append(svg("line", { class: "grid-line", x1: x(v), x2: x(v), y1: 4, y2: n * high + 6 }),
      svg("text", { x: x(v), y: height - 6, "text-anchor": v === ticks[ticks.length - 1] ? "end" : "middle" }, o.format(v)));
    let lastName = -20;
    o.rows.forEach((row, i) => {
      const top = 6 + i * high, g = svg("g", { opacity: row.faint ? .45 : 1, onpointermove: e => tip.show(e, row.name, row.rows),
        onpointerleave: tip.hide });
      if (named || top - lastName >= 15) {
        lastName = top;
        g.append(svg("text", { x: left - 7, y: top + Math.min(high, 12) - 1, "text-anchor": "end" }, row.short));
      }
      let at = 0;
      for (const [stage, value] of row.parts) {
        g.append(svg("rect", { x: x(at), y: top, width: Math.max(.5, x(at + value) - x(at)),
          height: Math.max(1.5, high - (high > 5 ? 2 : .4)), style: `fill:${o.colors[stage]}` }));
        at += value;
      }
      g.append(svg("rect", { x: left, y: top, width: width - left - right, height: high, fill: "transparent" }));
      root.append(g);
    });
    figure.querySelector("svg")?.remove();
    figure.querySelector("figcaption").after(root);
  };
  return figure;
}
