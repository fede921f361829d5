"use strict";
// The report: which figures are shown where. The data is what sim/report/html.cc wrote.
const data = JSON.parse(document.getElementById("data").textContent);
const kStates = ["ready", "draining", "sleeping", "starting", "ordered"];
const kStages = ["ordered", "procurement", "image", "weights", "engine", "starting"];
const isOracle = policy => policy.startsWith("oracle");

// ---- what is chosen ----
const policies = [...new Set([...data.results.map(r => r.policy), ...data.runs.map(r => r.policy)])];
const colors = new Map();
for (const p of policies) {
  const rank = [...colors.keys()].filter(q => !isOracle(q)).length;
  colors.set(p, isOracle(p) ? "var(--oracle)" : `var(--p${rank % 10})`);
}
const models = [...new Set(data.runs.map(r => r.model))];
const state = { model: models[0], zoom: null, log: { queue: false, ttft: true }, own: false,
  picked: new Set(policies.slice(0, 12)) };
const runs = () => data.runs.filter(r => r.model === state.model && state.picked.has(r.policy));
const cell = policy => [el("span", { class: "mark", color: colors.get(policy) }), policy];

// ---- head ----
function head() {
  document.getElementById("title").textContent = data.title;
  const one = rows[0], parts = [];
  if (models.length > 0) parts.push(models.length === 1 ? models[0] : models.length + " models");
  if (policies.length > 0) parts.push(policies.length === 1 ? policies[0] : policies.length + " policies");
  if (one?.requests != null) parts.push(one.requests.toLocaleString("en-US") + " requests");
  if (one?.simulatedSeconds) parts.push("over " + clock(Math.round(one.simulatedSeconds)));
  document.getElementById("summary").textContent = parts.join(" · ");
  const slo = run => ["ttft", "itl", "e2e"].filter(k => run.slo[k]).map(k =>
    `${k.toUpperCase()} p${+(run.slo[k].percentile * 100).toFixed(3)} ${latency(run.slo[k].seconds)}`).join(", ") || "none";
  const facts = [...data.about];
  for (const m of models) {
    const run = data.runs.find(r => r.model === m);
    facts.push([models.length > 1 ? "SLO of " + m : "SLO", slo(run)]);
    facts.push([models.length > 1 ? "variants of " + m : "variants", run.variants.map(v => v.name +
      ` (${dollars(v.costPerHour)}/h` + (v.requestsPerSecond == null ? ")" :
      `, sustains ${plain(v.requestsPerSecond)} requests/s of ${plain(run.promptTokens)} + ${plain(run.outputTokens)} tokens)`)).join(", ")]);
  }
  document.getElementById("about").replaceChildren(...facts.flatMap(([name, value]) =>
    [el("dt", null, name), el("dd", null, name === "command" ? el("code", null, value) : value)]));
}

function theme() {
  const button = document.getElementById("theme"), root = document.documentElement;
  const set = dark => { root.dataset.theme = dark ? "dark" : "light"; button.textContent = dark ? "light" : "dark"; };
  const wish = matchMedia("(prefers-color-scheme: dark)");
  set(wish.matches);
  wish.addEventListener("change", () => set(wish.matches));
  button.addEventListener("click", () => set(root.dataset.theme !== "dark"));
  let before = null;
  addEventListener("beforeprint", () => { before = root.dataset.theme; set(false); });
  addEventListener("afterprint", () => set(before === "dark"));
}

// ---- results ----
const kColumns = [["sloAttainment", "met", percent, 1], ["failed", "failed", exact, -1], ["ttft.p50", "TTFT p50", latencyExact],
  ["ttft.p99", "TTFT p99", latencyExact, -1], ["itl.p99", "ITL p99", latencyExact, -1], ["e2e.p99", "E2E p99", latencyExact, -1],
  ["gpuHours", "GPU-hours", hundredths, -1], ["cost", "cost", dollars, -1], ["replicasMean", "replicas mean", hundredths],
  ["replicasPeak", "peak", exact], ["coldStarts", "cold starts", exact], ["queuePeak", "queue peak", exact, -1]];
function flatten(object, prefix = "", out = {}) {
  for (const [key, value] of Object.entries(object)) {
    if (value !== null && typeof value === "object") flatten(value, prefix + key + ".", out);
    else out[prefix + key] = value;
  }
  return out;
}
/// Every result, and where there are several models each of them below it.
const rows = data.results.flatMap(r => {
  const { models: parts = [], ...whole } = r;
  return [{ ...whole, whole: true }, ...parts.map(m => ({ policy: r.policy, ...m }))];
}).map(r => ({ ...flatten(r), failed: (r.rejected ?? 0) + (r.timedOut ?? 0) + (r.lost ?? 0) }));
function results() {
  const best = new Map(), rivals = rows.filter(r => r.whole && !isOracle(r.policy));
  if (rivals.length > 1) for (const [key, , , sign] of kColumns) if (sign) {
    const values = rivals.map(r => r[key]).filter(v => v != null);
    if (new Set(values).size > 1) best.set(key, sign > 0 ? Math.max(...values) : Math.min(...values));
  }
  const isBest = (r, key) => r.whole && !isOracle(r.policy) && best.has(key) && best.get(key) === r[key];
  const shown = kColumns.filter(([key]) => rows.some(r => r[key] != null));
  const table = el("table", null, el("tr", null, el("th", null, "policy"), shown.map(([, name]) => el("th", null, name))),
    rows.map(r => el("tr", { class: r.whole ? null : "part" },
      el("td", { class: "name", title: r.whole ? r.policy : r.model }, r.whole ? cell(r.policy) : r.model),
      shown.map(([key, , format]) => el("td", { class: isBest(r, key) ? "best" : null }, format(r[key]))))));
  const keys = [...new Set(rows.flatMap(r => Object.keys(r)))].filter(k => !["policy", "model", "whole", "failed"].includes(k));
  const all = el("table", null, el("tr", null, el("th", null, "figure"), rows.map(r => el("th", null, r.policy + (r.model ? " · " + r.model : "")))),
    keys.map(k => el("tr", null, el("td", null, k), rows.map(r => el("td", null, typeof r[k] === "number" ? exact(r[k]) : String(r[k] ?? "–"))))));
  document.getElementById("results").replaceChildren(el("h2", null, "Results"),
    el("p", null, "met: share of all arrivals that met the SLO. failed: rejected, timed out and lost." +
      (best.size > 0 ? " The best policy of each column is bold." : "")),
    rows.length === 0 ? el("div", { class: "empty" }, "No results.") : el("div", { class: "scroll" }, table),
    el("details", null, el("summary", null, "All figures, as --format json prints them (durations in seconds)"), el("div", { class: "scroll" }, all)));
}

function costPlane() {
  const several = rows.some(r => !r.whole), slo = data.runs.find(r => r.model === state.model)?.slo ?? {}, refs = [];
  for (const bound of ["ttft", "itl", "e2e"].map(k => slo[k]).filter(b => b)) {
    if (!refs.some(r => r.value === bound.percentile)) refs.push({ value: bound.percentile, name: "SLO p" + +(bound.percentile * 100).toFixed(3) });
  }
  const held = rows.filter(r => (several ? r.model === state.model : r.whole) && r.sloAttainment != null);
  const priced = held.some(r => r.cost > 0), x = r => priced ? r.cost : r.gpuHours;
  const points = held.filter(r => x(r) != null).map(r => ({ name: r.policy + (r["oracle.reached"] === false ? " (not reached)" : ""),
    x: x(r), y: r.sloAttainment, color: colors.get(r.policy), bound: isOracle(r.policy),
    rows: [{ name: "met", value: percent(r.sloAttainment) }, { name: "cost", value: dollars(r.cost) }, { name: "GPU-hours", value: hundredths(r.gpuHours) }] }));
  const figure = plane({ title: several ? `Met against cost, ${state.model}` : "Met against cost", points, refs,
    xFormat: priced ? v => dollars(v).replace(/\.00$/, "") : plain, xName: priced ? "cost of the run" : "GPU-hours of the run" });
  document.getElementById("plane").replaceChildren(el("h2", null, "Cost and attainment"), el("p", null,
    "Up and left is better; each step up divides the misses. The dotted line joins the policies that no other beats in both." +
    (points.some(p => p.bound) ? " The diamond is the oracle: a bound that knows the arrivals, not a policy." : "")), figure);
  figure.draw?.();
}

// ---- over time ----
const legend = (keys, ...more) => el("div", { class: "legend" }, keys.map(key), more);
function span() {
  const shown = runs().filter(r => r.series.from.length > 0);
  return shown.length === 0 ? [0, 1] : [0, Math.max(1e-3, ...shown.map(r => r.series.to))];
}
function zoom(range) { state.zoom = range; draw(); }
/// One line a run. `of` is what the line shows: mean, least or most of each bucket.
function line(run, key, of, more = {}) {
  const s = run.series, c = s[key];
  return { name: run.policy, color: colors.get(run.policy), from: s.from, to: s.to, values: c[of] ?? c.mean,
    low: c.least, high: c.most, mean: c.mean, dash: isOracle(run.policy), ...more };
}
function rowsOf(lines, format) {
  return t => {
    let head = clock(Math.round(t));
    const rows = lines.filter(l => l.from.length > 0).map(l => {
      const i = bucketAt(l.from, t), [lows, highs] = l.spread ?? [l.low, l.high], low = lows?.[i], high = highs?.[i], end = i + 1 < l.from.length ? l.from[i + 1] : l.to;
      head = clock(l.from[i]) + " to " + clock(end);
      const mean = (l.mean ?? l.values)[i];
      return { name: l.row ?? l.name, color: l.color, value: format(mean), at: mean ?? -1,
        note: low != null && low !== high ? format(low) + " to " + format(high) : null };
    });
    return { head, rows };
  };
}
function overTime(title, lines, format, more = {}) {
  return timeChart({ title, lines, format, range: state.zoom ?? span(), onZoom: zoom, rows: rowsOf(lines, format), ...more });
}
function times() {
  const shown = runs(), many = shown.length > 3;
  const bare = l => many ? { ...l, low: undefined, high: undefined, spread: [l.low, l.high] } : l;
  const lines = (key, of, more) => shown.map(r => bare(line(r, key, of, more)));
  const slo = shown.find(r => r.slo.ttft)?.slo.ttft, traffic = shown.slice(0, 1).map(r => ({ ...line(r, "arrivals", "mean"),
    name: "traffic", color: "var(--dim)", area: undefined, dash: false }));
  const logs = key => ({ log: state.log[key], onLog: () => { state.log[key] = !state.log[key]; draw(); } });
  const rate = v => plain(v) + (v == null ? "" : "/s");
  const widest = Math.max(0, ...shown.map(r => r.series.samples));
  const figures = shown.length === 0 ? [el("div", { class: "empty" }, "No policy is chosen.")] : [
    overTime("Traffic against capacity, requests/s", [...traffic, ...lines("capacity", "mean", { step: true })], rate,
      { keys: traffic.map(l => ({ name: "traffic", color: l.color })) }),
    overTime("Queue at the gateway, requests", lines("queue", "most"), plain, { ...logs("queue"), least: 4 }),
    overTime("TTFT p99, worst in each bucket", lines("ttftP99", "most"), latency, { ...logs("ttft"),
      refs: slo ? [{ value: slo.seconds, name: `SLO p${+(slo.percentile * 100).toFixed(3)} ${latency(slo.seconds)}` }] : [],
      none: "No request ended." }),
    overTime("Met, share of the requests that ended", lines("met", "mean"), v => v == null ? "–" : trim(v * 100, 4) + " %", { top: 1 }),
    overTime("Running in engines, requests", lines("running", "mean"), plain, { least: 4 }),
    overTime("KV in use, mean of the ready replicas", lines("kvUsage", "mean"), v => v == null ? "–" : trim(v * 100, 3) + " %", { least: .1 }),
    overTime("Replicas ready", lines("ready", "mean", { step: true }), plain, { least: 4 }),
    overTime("Cost so far", lines("cost", "mean"), dollars),
  ];
  document.getElementById("time").replaceChildren(el("h2", null, "Over time"), el("p", null,
    (widest > 1 ? `A point is a bucket of up to ${widest} samples. Queue and TTFT show the most within it, so no peak is lost; the others the mean` +
      (many ? "" : ", with what lies between least and most shaded") + "; hover for all. " : "A point is a sample. ") +
    "Capacity is what the ready replicas sustain at the mean lengths within the ITL bound. Drag to zoom, double-click to see all."),
    legend(shown.map(r => ({ name: r.policy, color: colors.get(r.policy), dash: isOracle(r.policy) }))),
    el("div", { class: "grid" }, figures));
  for (const f of figures) f.draw?.();
}

// ---- replicas by state ----
function replicas() {
  const shown = runs();
  const height = r => Math.max(1, ...r.series.desired.mean, ...r.series.from.map((_, i) => kStates.reduce((a, s) => a + r.series[s].mean[i], 0)));
  const top = Math.max(1, ...shown.map(height));
  const used = kStates.filter(s => shown.some(r => (r.series[s].most ?? r.series[s].mean).some(v => v > 0)));
  const figures = shown.map(r => {
    const foot = r.series.from.map(() => 0), layers = [];
    for (const s of used) {
      const c = r.series[s], low = [...foot];
      c.mean.forEach((v, i) => { foot[i] += v; });
      layers.push({ name: s, color: `var(--${s})`, from: r.series.from, to: r.series.to, values: [...foot], low, area: 1, step: true });
    }
    const desired = line(r, "desired", "mean", { name: "desired", color: "var(--text)", step: true, dash: true, thin: true, low: undefined, high: undefined });
    const rows = t => {
      const i = bucketAt(r.series.from, t), end = i + 1 < r.series.from.length ? r.series.from[i + 1] : r.series.to;
      const out = rowsOf([...used.map(s => line(r, s, "mean", { name: s, color: `var(--${s})` })), line(r, "desired", "mean", { name: "desired",
        color: "var(--text)" })], plain)(t);
      for (const [at, before, after, code] of r.moves.rows.filter(m => m[0] >= r.series.from[i] && m[0] <= end).slice(0, 6)) {
        out.rows.push({ name: clock(at), value: `${before} → ${after}`, note: code });
      }
      return out;
    };
    return timeChart({ title: r.policy, lines: [...layers, desired], format: plain, range: state.zoom ?? span(), onZoom: zoom, rows, top: state.own ? height(r) : top,
      height: 150 });
  });
  document.getElementById("replicas").replaceChildren(el("h2", null, "Replicas by state"), el("p", null,
    "Means of each bucket; hover for least and most, and for the decisions that changed the number, with the reason that bound."),
    legend([...used.map(s => ({ name: s, color: `var(--${s})`, area: true })), { name: "desired", color: "var(--text)", dash: true }],
      shown.length > 1 ? el("button", { type: "button", onclick: () => { state.own = !state.own; draw(); } }, state.own ? "own scales" : "one scale") : null),
    el("div", { class: "grid small" }, figures.length > 0 ? figures : el("div", { class: "empty" }, "No policy is chosen.")));
  for (const f of figures) f.draw?.();
}

// ---- cold starts ----
function starts() {
  const shown = runs(), paint = Object.fromEntries(kStages.map(k => [k, `var(--${k === "starting" ? "dim" : k})`]));
  const total = row => row.parts.reduce((a, p) => a + p[1], 0);
  const top = Math.max(0, ...shown.flatMap(r => r.starts.rows.map(total)));
  const figures = shown.map(r => {
    const s = r.starts, bars = s.rows.sort((a, b) => a.at - b.at).map(row => ({ name: `replica ${row.id} (${r.variants[row.variant]?.name ?? "?"}), ordered at ${clock(row.at)}`,
      short: clock(Math.round(row.at), 2), parts: row.parts, faint: !row.ready, rows: [...row.parts.map(([stage, v]) => ({ name: stage, color: paint[stage], value: latency(v) })),
        { name: row.ready ? "until ready" : "until given up", value: latency(total(row)) }] }));
    const figure = waterfall({ title: r.policy, rows: bars, top, format: latency, colors: paint, none: "No replica was started." });
    const stages = s.stages.filter(x => x.most > 0);
    if (stages.length > 0) figure.append(el("table", null, el("tr", null, el("th", null, `stage of ${(s.total - s.givenUp).toLocaleString("en-US")} that became ready`),
      ["p50", "p90", "longest"].map(n => el("th", null, n))), stages.map(x => el("tr", null, el("td", null, x.stage), el("td", null, latency(x.p50)),
      el("td", null, latency(x.p90)), el("td", null, latency(x.most))))));
    const notes = [];
    if (s.every > 1) notes.push(`${s.total.toLocaleString("en-US")} starts: of each ${s.every} in a row the slowest is drawn.`);
    if (s.givenUp > 0) notes.push(`${s.givenUp.toLocaleString("en-US")} were given up before they were ready (faint).`);
    if (notes.length > 0) figure.append(el("p", { class: "note" }, notes.join(" ")));
    return figure;
  });
  document.getElementById("starts").replaceChildren(el("h2", null, "Cold starts"), el("p", null,
    "A bar is a start, from the order, in order of time; all on one scale."),
    el("div", { class: "grid small" }, figures.length > 0 ? figures : el("div", { class: "empty" }, "No policy is chosen.")));
  for (const f of figures) f.draw?.();
}

// ---- reasons ----
function reasons() {
  const figures = runs().map(r => {
    const first = r.reasons.slice(0, 8), most = Math.max(1, ...first.map(x => x.bound));
    return el("figure", null, caption(r.policy, [], el("span", null, r.decisions.toLocaleString("en-US") + " decisions, " + r.moves.total.toLocaleString("en-US") + " changed the number")),
      first.length === 0 ? el("div", { class: "empty" }, "No decision was recorded.") : el("table", null,
        el("tr", null, el("th", null, "reason"), el("th", { class: "left" }, "bound"), el("th", null, "raised by"), el("th", null, "lowered by")),
        first.map(x => el("tr", null, el("td", { class: "wrap", title: x.sentence }, el("b", null, x.code), " ", el("span", { class: "note" }, x.sentence)),
          el("td", { class: "left" }, el("span", { class: "share" }, percent(x.bound / Math.max(1, r.decisions))),
            el("span", { class: "bar", color: colors.get(r.policy), style: `width:${(70 * x.bound / most).toFixed(1)}px` })),
          el("td", null, x.raised > 0 ? "+" + exact(x.raised) : "–"), el("td", null, x.lowered > 0 ? "−" + exact(x.lowered) : "–")))));
  });
  document.getElementById("reasons").replaceChildren(el("h2", null, "Reasons"), el("p", null,
    "bound: share of the decisions whose number this reason settled, the last that changed it. raised, lowered: replicas, summed over decisions told (docs/reasons.md)."),
    el("div", { class: "grid" }, figures.length > 0 ? figures : el("div", { class: "empty" }, "No policy is chosen.")));
}

// ---- choosing ----
function pick() {
  const nav = document.getElementById("pick"), parts = [];
  if (models.length > 1) {
    parts.push(el("span", { class: "label" }, "model"), el("select", { onchange: e => { state.model = e.target.value; state.zoom = null; costPlane(); draw(); } },
      models.map(m => el("option", { value: m, selected: m === state.model ? "" : null }, m))));
  }
  if (policies.length > 1) {
    parts.push(el("span", { class: "label" }, "show"), policies.map(p => el("button", { type: "button", class: "chip", title: p, "aria-pressed": String(state.picked.has(p)),
      onclick: () => { if (!state.picked.delete(p)) state.picked.add(p); draw(); },
      ondblclick: () => { state.picked = new Set([p]); draw(); } }, el("span", { class: "mark", color: colors.get(p) }), el("span", null, p))));
    parts.push(el("button", { type: "button", onclick: () => { state.picked = new Set(policies); draw(); } }, "all"));
  }
  if (state.zoom) parts.push(el("button", { type: "button", onclick: () => zoom(null) }, `${clock(Math.round(state.zoom[0]))} to ${clock(Math.round(state.zoom[1]))} ✕`));
  nav.replaceChildren(...parts.flat());
  nav.hidden = parts.length === 0;
}

function draw() {
  charts.length = 0;
  tip.hide();
  pick();
  if (data.runs.length === 0) {
    for (const id of ["time", "replicas", "starts", "reasons"]) document.getElementById(id).hidden = true;
    return;
  }
  times();
  replicas();
  starts();
  reasons();
}
theme();
head();
results();
costPlane();
draw();
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; costPlane(); draw(); } });
