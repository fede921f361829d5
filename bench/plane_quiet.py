"""Cases of bench/plane.py --quiet-cases that no trace holds: a crowd out of nothing, noise without trend, nothing.

Scenarios are made here, so that any number of them can be drawn: `seed` moves the crowds, the gaps and the starts.
"""
import random

from plane_report import PEERS

MODEL = """apiVersion: tidegate.dev/v1alpha1
kind: Scenario
metadata: {{name: quiet}}
spec:
  title: Made by bench/plane_quiet.py.
  duration: {duration}
  workload:
    parts:
{parts}
---
"""
# Ten-fold crowds: how many requests/s there are otherwise.
CALM = 6
CROWD_HOURS, CROWDS = 6, 4
NOISE_HOURS, WARM_HOURS = 12, 1
NOISES = [("Poisson", 6, 1), ("Poisson", 40, 1), ("Gamma, cv 2", 6, 2), ("Gamma, cv 4", 6, 4), ("Gamma, cv 4", 40, 4)]
CASE = {"profile": "qwen3-32b-h100-tp2", "count": 2, "cost": 7.80, "ttft": 2, "itl": 60, "most": 64}
COLD = 120
POOLS = [{"maxReplicas": 16, "holdsDevice": "true"}, {"maxReplicas": 16, "holdsDevice": "false", "costPerHour": 0.40}]


def scenario(runs, duration, parts, **spec):
    lines = "".join(f"      - {p}\n" for p in parts)
    return MODEL.format(duration=duration, parts=lines.rstrip("\n")) + runs.spec(CASE, COLD, **spec)


def crowds(seed):
    """Crowds at random times, each ten times as many within 30 s, held for 5 to 20 minutes, at least an hour apart."""
    chance = random.Random(seed)
    share = CROWD_HOURS * 60 // CROWDS
    parts = [f"{{name: calm, steady: {{rate: {CALM}}}}}"]
    for i in range(CROWDS):
        at = i * share + chance.randint(20, share - 40)
        hold = chance.choice([5, 10, 20])
        # A crowd is a part of its own: nine times the calm rate on top, from its beginning to its end.
        parts.append(f"{{name: crowd-{i}, from: {at}m, until: {at + hold}m, "
                     f"ramp: {{before: 0, after: {9 * CALM}, begin: {at}m, end: {at}m30s}}}}")
    return parts


def flash(runs, seeds, policy, **spec):
    results = [runs.scenario(scenario(runs, f"{CROWD_HOURS}h", crowds(s), **spec), policy, s) for s in seeds]
    return mean(results)


def mean(results):
    keys = ("sloAttainment", "gpuHours", "cost", "coldStarts", "scaleUps", "scaleDowns", "replicasPeak", "replicasMean")
    out = {k: sum(r[k] for r in results) / len(results) for k in keys}
    out["p99"] = sum(r["ttft"]["p99"] for r in results) / len(results)
    return out


def crowd_table(runs, seeds):
    lines = [f"### Flash crowd of 10 x, cold start {COLD} s\n",
             f"{CROWDS} crowds in {CROWD_HOURS} h at random times on {CALM} requests/s; mean of seeds "
             f"{', '.join(map(str, seeds))}.\n",
             "| policy | missed | GPU-hours | cost $ | TTFT p99 | starts | peak |", "|---|---|---|---|---|---|---|"]
    asked = [("tide", {"percentile": p}) for p in ("95", "99", "99.9")]
    asked += [("tide", {"percentile": p, "pool": pool}) for pool in POOLS for p in ("95", "99", "99.9")]
    asked += [(p, {}) for p in PEERS]
    asked += [(p, {"pool": pool}) for pool in POOLS for p in ("hpa", "kpa")]
    asked += [(p, {"floor": n}) for n in (3, 5) for p in ("hpa", "kpa", "concurrency")]
    asked += [(f"static:{n}", {"floor": n}) for n in (2, 6, 9, 12)]
    for policy, spec in asked:
        r = flash(runs, seeds, policy, **spec)
        said = ", ".join(f"{k} {v}" for k, v in spec.items() if "static" not in policy and k != "pool")
        if "pool" in spec:
            said += (said and ", ") + f"sleepers {'held' if spec['pool']['holdsDevice'] == 'true' else 'shared'}"
        lines.append(f"| {policy}{' (' + said + ')' if said else ''} | {100 * (1 - r['sloAttainment']):.2f} % | "
                     f"{r['gpuHours']:.1f} | {r['cost']:.0f} | {r['p99']:.2f} s | {r['coldStarts']:.0f} | "
                     f"{r['replicasPeak']:.0f} |")
    return "\n".join(lines) + "\n"


def noise_table(runs, seeds):
    lines = ["### Noise without trend\n",
             f"{NOISE_HOURS} h; changes of the number an hour, after {WARM_HOURS} h (target: at most 1).\n",
             "| policy | " + " | ".join(f"{name}, {rate}/s" for name, rate, _ in NOISES) + " |",
             "|---" * (len(NOISES) + 1) + "|"]
    for policy in ("tide", *PEERS):
        cells = []
        for _, rate, cv in NOISES:
            text = scenario(runs, f"{NOISE_HOURS}h", [f"{{name: noise, steady: {{rate: {rate}}}, cv: {cv}}}"])
            played = [runs.changes(text, policy, s, WARM_HOURS * 3600) for s in seeds]
            changes = sum(p["changes"] for p in played) / len(played) / (NOISE_HOURS - WARM_HOURS)
            met = sum(p["sloAttainment"] for p in played) / len(played)
            cells.append(f"{changes:.2f} ({100 * met:.2f} %, {sum(p['gpuHours'] for p in played) / len(played):.0f} h)")
        lines.append(f"| {policy} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def nothing_table(runs, seeds):
    lines = ["### A day with one minute of traffic\n",
             "Replicas asked for at the end, by floor; GPU-hours of the day.\n",
             "| policy | floor 1 | floor 0 |", "|---|---|---|"]
    parts = ["{name: minute, steady: {rate: 40}, until: 1m}", "{name: last, from: 1439m, steady: {rate: 0.1}}"]
    for policy in ("tide", *PEERS):
        cells = []
        for floor in (1, 0):
            played = [runs.changes(scenario(runs, "24h", parts, floor=floor), policy, s, 3600) for s in seeds]
            ends = sorted({p["last"] for p in played})
            cells.append(f"{', '.join(map(str, ends))} ({sum(p['gpuHours'] for p in played) / len(played):.1f} h, "
                         f"{sum(p['changes'] for p in played) / len(played):.0f} changes after the first hour)")
        lines.append(f"| {policy} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def play(runs, report, seeds):
    text = [f"## Quiet cases, commit {report.commit}\n"]
    for table in (crowd_table, noise_table, nothing_table):
        text.append(table(runs, seeds))
        report.file_quiet.write_text("\n".join(text))
        report.write()
