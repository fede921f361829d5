"""Cases of bench/plane.py --made-cases: workloads drawn from a seed, so that any number of them is yet unseen.

bursts  come at random on a calm rate: 0.3 to 3 times as much on top, for 30 s to 15 minutes
levels  wander by factors of 0.5 to 2, each held for 10 to 60 minutes; gaps up to cv 3
ramps   climb for 5 to 45 minutes to 1.5 to 5 times the calm rate, stay or not, and end at once
mixes   of a steady chat and, six times for 10 to 30 minutes, a tenant of long documents: 5 to 20 % more requests, some
        fifty times as much work each
"""
import random

from plane_quiet import CASE, MODEL, mean
from plane_report import PEERS

CHAT = "lengths: {prompt: {p50: 500, p90: 1500}, output: {p50: 150, p90: 400}}, tenants: [{name: chat, share: 1}]"
DOCUMENTS = ("lengths: {prompt: {p50: 8000, p90: 16000}, output: {p50: 600, p90: 1200}}, "
             "tenants: [{name: documents, share: 1}]")
COLDS = (60, 120, 300)


def bursts(chance):
    hours, calm = chance.randint(6, 8), chance.uniform(8, 24)
    parts = [f"{{name: calm, steady: {{rate: {calm:.2f}}}, cv: {chance.choice([1, 1, 2])}}}"]
    at = chance.uniform(600, 1800)
    while at < hours * 3600 - 600:
        size, hold = calm * chance.uniform(0.3, 3), 30 * 30 ** chance.random()
        parts.append(f"{{name: burst-{len(parts)}, from: {at:.0f}s, until: {at + hold:.0f}s, "
                     f"steady: {{rate: {size:.2f}}}}}")
        at += hold + chance.expovariate(1 / 1500)
    return hours, parts


def levels(chance):
    hours, rate, at, parts = chance.randint(6, 8), chance.uniform(15, 40), 0.0, []
    cv = chance.choice([1, 1.5, 2, 3])
    while at < hours * 3600:
        end = min(at + chance.uniform(600, 3600), hours * 3600)
        parts.append(f"{{name: level-{len(parts)}, from: {at:.0f}s, until: {end:.0f}s, "
                     f"steady: {{rate: {rate:.2f}}}, cv: {cv}}}")
        rate = min(80, max(5, rate * 2 ** chance.uniform(-1, 1)))
        at = end
    return hours, parts


def ramps(chance):
    hours, calm = chance.randint(6, 8), chance.uniform(6, 12)
    parts = [f"{{name: calm, steady: {{rate: {calm:.2f}}}}}"]
    at = chance.uniform(900, 2400)
    while at < hours * 3600 - 3000:
        rise, stay = chance.uniform(300, 2700), chance.choice([0, 0, 300, 900])
        parts.append(f"{{name: ramp-{len(parts)}, from: {at:.0f}s, until: {at + rise + stay:.0f}s, ramp: {{before: 0, "
                     f"after: {calm * chance.uniform(0.5, 4):.2f}, begin: {at:.0f}s, end: {at + rise:.0f}s}}}}")
        at += rise + stay + chance.uniform(900, 3600)
    return hours, parts


def mixes(chance):
    hours, chat = 6, 30
    parts = [f"{{name: chat, steady: {{rate: {chat}}}, {CHAT}}}"]
    for hour in range(hours):
        at, hold = hour * 60 + chance.randint(10, 25), chance.choice([10, 20, 30])
        rise, rate = chance.choice([1, 5, 10]), chat * chance.uniform(0.05, 0.2)
        parts.append(f"{{name: documents-{hour}, from: {at}m, until: {at + hold}m, ramp: {{before: 0, "
                     f"after: {rate:.2f}, begin: {at}m, end: {at + rise}m}}, {DOCUMENTS}}}")
    return hours, parts


KINDS = {"bursts": bursts, "levels": levels, "ramps": ramps, "mixes": mixes}


def scenario(runs, kind, cold, seed, **spec):
    hours, parts = KINDS[kind](random.Random(f"{kind} {seed}"))
    lines = "".join(f"      - {p}\n" for p in parts)
    return MODEL.format(duration=f"{hours}h", parts=lines.rstrip("\n")) + runs.spec(CASE, cold, **spec)


def play(runs, report, seeds):
    lines = [f"## Made workloads, commit {report.commit}\n", f"Mean of seeds {', '.join(map(str, seeds))}; all untuned.\n",
             "| workload | cold | " + " | ".join(("tide", *PEERS)) + " |", "|---" * (3 + len(PEERS)) + "|"]
    for kind in KINDS:
        for cold in COLDS:
            cells = []
            for policy in ("tide", *PEERS):
                r = mean([runs.scenario(scenario(runs, kind, cold, s), policy, s) for s in seeds])
                cells.append(f"{100 * r['sloAttainment']:.2f} %, {r['gpuHours']:.1f} h")
            lines.append(f"| {kind} | {cold} s | " + " | ".join(cells) + " |")
            report.file_made.write_text("\n".join(lines) + "\n")
            report.write()
