"""Points of bench/plane.py as tables: per workload what each policy did, its curve, and how `tide` stands to it."""
import json
import math

LEVELS = (0.95, 0.97, 0.99, 0.995, 0.999)
PEERS = ("hpa", "keda", "kpa", "concurrency", "targettracking", "saturation", "planner")

KEPT = ("untuned", "p99")
MOST_ROWS = 16


def mean(point, key):
    return sum(r[key] for r in point["results"]) / len(point["results"])


def met(point):
    return mean(point, "sloAttainment")


def hours(point):
    """GPU-hours; where sleepers have a price of their own, all dollars as GPU-hours of the awake."""
    return mean(point, "cost") / point["price"] if "price" in point else mean(point, "gpuHours")


def frontier(points):
    """The points that no other beats in both, by rising attainment."""
    best = []
    for p in sorted(points, key=lambda p: (-met(p), hours(p))):
        if not best or hours(p) < hours(best[-1]):
            best.append(p)
    return best[::-1]


def nines(share):
    return -math.log(max(1 - share, 1e-6))


def cost_at(points, level, between=True):
    """Least GPU-hours at `level`: a point that reaches it, or (`between`) on the line between two neighbours of
    the frontier, drawn over the logarithm of what is missed; None where nothing reaches it."""
    best = frontier(points)
    above = [p for p in best if met(p) >= level]
    if not above:
        return None
    below = [p for p in best if met(p) < level]
    if not between or not below:
        return hours(above[0])
    low, high = below[-1], above[0]
    share = (nines(level) - nines(met(low))) / (nines(met(high)) - nines(met(low)))
    return hours(low) + share * (hours(high) - hours(low))


def number(value, form="{:.2f}"):
    return "" if value is None else form.format(value)


def ratio(a, b):
    return a / b if a is not None and b else None


class Report:
    """Keeps all points in DIR/points.json by (workload, cold start, part) and writes DIR/REPORT.md."""

    def __init__(self, out, commit, sha):
        self.out, self.commit, self.sha = out, commit, sha
        self.file = out / "points.json"
        self.kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.file_quiet, self.file_made = out / "quiet.md", out / "made.md"

    def add(self, name, case, cold, part, points):
        entry = self.kept.setdefault(f"{name} {cold}", {"name": name, "cold": cold, "parts": {}})
        slo = [case["ttft"], case["itl"]]
        if entry.get("slo") != slo:
            entry["parts"] = {}
        entry.update(slo=slo, flags=case["flags"], trace=case["trace"], profile=case["profile"])
        entry["parts"][part] = {"commit": self.commit, "points": points}
        self.file.write_text(json.dumps(self.kept))
        self.write()

    def write(self):
        notes = self.out / "notes.md"  # a person's
        text = [notes.read_text()] if notes.exists() else []
        text += ["# The plane\n", self.summary()]
        text += [workload(entry) for entry in self.kept.values()]
        text += [file.read_text() for file in (self.file_quiet, self.file_made) if file.exists()]
        (self.out / "REPORT.md").write_text("\n".join(text))

    def summary(self):
        lines = ["Ratios of least GPU-hours at a level: `tide` over the best peer (its name), over the best `static:N`",
                 "and over the oracle (at 99 and 99.9 %). `-`: tide does not reach the level; `(only)`: no peer does.\n",
                 "| workload | cold | " + " | ".join(f"{100 * level:g} %" for level in LEVELS)
                 + " | tide untuned | best tuned peer ≥ 99 % |", "|---" * (len(LEVELS) + 4) + "|"]
        for e in self.kept.values():
            groups = by_policy(e)
            cells = [stand(groups, level) for level in LEVELS]
            lines.append(f"| {e['name']} | {e['cold']} s | " + " | ".join(cells)
                         + f" | {untuned_tide(groups)} | {tuned_peer(groups)} |")
        return "\n".join(lines) + "\n"


def by_policy(entry):
    groups = {}
    for part in entry["parts"].values():
        for p in part["points"]:
            groups.setdefault(p["policy"], []).append(p)
    return groups


def best_peer(groups, level):
    costs = {p: cost_at(groups[p], level) for p in PEERS if p in groups}
    return min(((c, p) for p, c in costs.items() if c is not None), default=(None, None))


def oracle_at(groups, level):
    points = [p for p in groups.get(f"oracle:{level}", []) if p.get("reached")]
    return hours(points[0]) if points else None


def stand(groups, level):
    tide = cost_at(groups.get("tide", []), level)
    peer, who = best_peer(groups, level)
    fixed = cost_at(groups.get("static", []), level, between=False)
    if tide is None:
        return f"- ({who} {peer:.1f} h)" if peer else "-"
    cells = [f"**{ratio(tide, peer):.2f}** {who}" if peer else "(only)"]
    if fixed:
        cells.append(f"{ratio(tide, fixed):.2f} static")
    if oracle_at(groups, level):
        cells.append(f"{ratio(tide, oracle_at(groups, level)):.2f} oracle")
    return ", ".join(cells)


def untuned_tide(groups):
    point = next((p for p in groups.get("tide", []) if p["setting"] == "p99"), None)
    return f"{100 * met(point):.2f} %, {hours(point):.1f} h" if point else ""


def tuned_peer(groups):
    tuned = [p for name in PEERS for p in groups.get(name, []) if p.get("tuned") and met(p) >= 0.99]
    if not tuned:
        return "none" if any(n in groups for n in PEERS) else ""
    point = min(tuned, key=hours)
    return f"{point['policy']} {100 * met(point):.2f} %, {hours(point):.1f} h"


def workload(entry):
    groups = by_policy(entry)
    ttft, itl = entry["slo"]
    flags = " ".join(f for f in entry["flags"])
    lines = [f"## {entry['name']}, cold start {entry['cold']} s\n",
             f"`{entry['trace']}` {flags}, `{entry['profile']}`, TTFT {ttft} s, ITL {itl} ms. Commits: "
             + ", ".join(sorted({p["commit"] for p in entry["parts"].values()})) + ".\n"]
    ours = [n for n in groups if n.startswith("tide") and n != "tide"]
    names = [n for n in ("tide", *ours, "static", *PEERS) if n in groups]
    lines += ["GPU-hours at a level (`static`: the least N that reaches it):\n",
              "| policy | " + " | ".join(f"{100 * level:g} %" for level in LEVELS) + " |",
              "|---" * (len(LEVELS) + 1) + "|"]
    for name in names:
        costs = [number(cost_at(groups[name], level, name != "static"), "{:.1f}") for level in LEVELS]
        lines.append(f"| {name} | " + " | ".join(costs) + " |")
    bound = [number(oracle_at(groups, level), "{:.1f}") for level in LEVELS]
    if any(bound):
        lines.append("| oracle | " + " | ".join(bound) + " |")
    lines += ["\n| policy | setting | met | GPU-hours | cost $ | starts | TTFT p99 | failed | mean | peak |",
              "|---" * 10 + "|"]
    for name in [*names, *(n for n in groups if n.startswith("oracle"))]:
        lines += [row(p) for p in shown(groups[name])]
    return "\n".join(lines) + "\n"


def shown(points):
    """What a reader wants of a policy: its frontier above 80 %, what was tuned, and what was not."""
    best = [id(p) for p in frontier(points)]
    rows = [p for p in points if (id(p) in best and met(p) > 0.8) or p.get("tuned") or p["setting"] in KEPT]
    rows.sort(key=lambda p: -met(p))
    return [p for i, p in enumerate(rows) if len(rows) <= MOST_ROWS or i % (len(rows) // MOST_ROWS + 1) == 0]


def row(p):
    failed = sum(mean(p, k) for k in ("rejected", "timedOut", "lost"))
    note = "" if p.get("reached", True) else " (not reached)"
    if p.get("tuned"):
        note = f" (tuned for {100 * p['tuned']:g} %)"
    ttft = sum(r["ttft"]["p99"] for r in p["results"]) / len(p["results"])
    return (f"| {p['policy']} | {p['setting']}{note} | {100 * met(p):.2f} % | {hours(p):.1f} | {mean(p, 'cost'):.0f} | "
            f"{mean(p, 'coldStarts'):.0f} | {ttft:.2f} s | {failed:.0f} | {mean(p, 'replicasMean'):.1f} | "
            f"{mean(p, 'replicasPeak'):.0f} |")
