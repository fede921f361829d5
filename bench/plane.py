#!/usr/bin/env python3
"""The cost-attainment plane: what each policy pays for each share of requests that meet the SLO.

    TIDEGATE_TRACES=DIR bench/plane.py BINARY --out DIR [--only TRACE] [--cold 60,120,300] [--parts tide,static,...]

Every trace is split in three: peers are tuned on the first third (`tidegate tune`, for 99 and for 99.9 %), then their
main knob is swept around what was found, with the floor and delays that were found; measured is on the other two
thirds. `tide` is not tuned: its spec is the untuned one, and what is swept is the percentile of the SLO. `static:N`
starts with N replicas ready. Each run is played and billed by itself. Finished runs are kept in DIR/runs.json, so the
same command goes on from there; DIR/REPORT.md is written anew after each workload.
"""
import argparse
import os
import pathlib
import sys
import time

import plane_report
from plane_runs import PEERS, Runs

QWEN = {"profile": "qwen3-32b-h100-tp2", "count": 2, "cost": 7.80}
# A tenth of the Azure week is 2 to 8 requests/s: two replicas of the above. A slower one of the same model.
SLOW = {"profile": "qwen3-32b-rtxpro6000-tp2", "count": 2, "cost": 3.80}
LENGTHS = ["--lengths", "azure2023_conv.csv"]
# `from` is a third of the trace; `runs` bounds the search of `tune`. TTFT in s and ITL in ms are where the SLO begins;
# both are relaxed to what 200 replicas can meet.
CASES = {
    "azure2023_conv": {**QWEN, "trace": "azure2023_conv.csv", "flags": ["--scale", "8"], "from": "1150s",
                       "most": 64, "ttft": 2, "itl": 60, "runs": 24},
    "azure2023_code": {**QWEN, "trace": "azure2023_code.csv", "flags": ["--scale", "8"], "from": "1130s",
                       "most": 128, "ttft": 2, "itl": 60, "runs": 24},
    "mooncake": {**QWEN, "trace": "mooncake_conversation.jsonl", "flags": ["--scale", "8"], "from": "1180s",
                 "most": 128, "ttft": 30, "itl": 60, "runs": 24},
    "azure2024_week": {**SLOW, "trace": "azure2024_conv_week_rate.csv",
                       "flags": ["--scale", "0.1", "--until", "4d", *LENGTHS], "from": "32h",
                       "most": 64, "ttft": 2, "itl": 60, "runs": 16},
    "servegen_large": {**QWEN, "trace": "servegen_large_rate.csv",
                       "flags": ["--scale", "0.1", "--until", "4d", *LENGTHS], "from": "32h",
                       "most": 64, "ttft": 2, "itl": 60, "runs": 16},
}
PERCENTILES = ["50", "80", "90", "95", "97", "98", "99", "99.5", "99.9"]
WIDE_TTFT = [2, 3, 5, 10, 20, 30, 45, 60, 120]                         # s
WIDE_ITL = [60, 80, 100, 130, 160, 200, 250, 300, 400, 600, 1000]     # ms
INFINITE = 200
LEVELS = (0.99, 0.999)  # of the oracle
SLEEPER_COST = 0.40  # $ an hour of host memory, where the device is another's meanwhile
UNTUNED = {"scaleDownDelay": "5m"}
ABLATED = ("forecast", "leadTime", "season", "learning")


def reachable(runs, case):
    """The case with its SLO relaxed to the tightest that 200 replicas meet for 99.9 % of requests."""
    def met(ttft, itl):
        wide = {**case, "ttft": ttft, "itl": itl}
        return runs.simulate(wide, 120, f"static:{INFINITE}", part="test", floor=INFINITE,
                             most=INFINITE)["sloAttainment"] >= 0.999
    itl = next((i for i in WIDE_ITL if i >= case["itl"] and met(WIDE_TTFT[-1], i)), WIDE_ITL[-1])
    ttft = next((t for t in WIDE_TTFT if t >= case["ttft"] and met(t, itl)), WIDE_TTFT[-1])
    return {**case, "ttft": ttft, "itl": itl}


def around(policy, value):
    """Values of a main knob around the tuned one, more capacity first."""
    if policy in ("saturation", "planner"):
        return sorted({round(min(1.0, max(0.3, value + d)), 2) for d in (-0.3, -0.15, -0.07, 0, 0.1)})
    if policy == "keda":
        return sorted({float(f"{value * f:.3g}") for f in (0.1, 0.3, 1, 3, 10)})
    return sorted({float(f"{min(64, max(1, value * f)):.3g}") for f in (0.35, 0.5, 0.7, 0.85, 1, 1.3)})


def scaling_of(knobs):
    """Tuned knobs as keys of `scaling`, and the floor."""
    said = {k: f"{knobs[k]:.0f}s" for k in ("window", "scaleDownDelay") if k in knobs}
    return said, int(knobs.get("minReplicas", 1))


def play_tide(runs, case, cold, seeds):
    return [{"policy": "tide", "setting": f"p{p}", "results": [
        runs.simulate(case, cold, "tide", seed=s, part="test", percentile=p) for s in seeds]} for p in PERCENTILES]


def play_static(runs, case, cold, seeds):
    """Fixed fleets from the first that meets 80 % of requests to the first that meets 99.95 %."""
    def play(n):
        return {"policy": "static", "setting": str(n), "results": [
            runs.simulate(case, cold, f"static:{n}", seed=s, part="test", floor=n, most=max(n, case["most"]))
            for s in seeds]}
    low, high = 1, INFINITE
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if plane_report.met(play(middle)) >= 0.8 else (middle + 1, high)
    points, step = [], max(1, low // 20)
    for n in range(low, INFINITE + 1, step):
        points.append(play(n))
        if plane_report.met(points[-1]) >= 0.9995:
            break
    return points


def play_untuned(runs, case, cold, seeds):
    return [{"policy": p, "setting": "untuned", "results": [
        runs.simulate(case, cold, p, seed=s, part="test") for s in seeds]} for p in PEERS]


def play_peer(policy):
    def play(runs, case, cold, seeds):
        points = []
        for level in case["levels"]:
            found = runs.tune(case, cold, policy, level, case["runs"])
            scaling, floor = scaling_of(found["knobs"])
            tuned = found["knobs"]["policy"]
            for value in [tuned] + [v for v in around(policy, tuned) if abs(v - tuned) > 1e-9]:
                points.append({"policy": policy, "tuned": level if value == tuned else None,
                               "setting": f"{value:g}" + "".join(f", {k} {v}" for k, v in scaling.items())
                               + f", floor {floor}",
                               "results": [runs.simulate(case, cold, f"{policy}:{value:g}", seed=s, part="test",
                                                         scaling=scaling, floor=floor) for s in seeds]})
        return points
    return play


def play_oracle(runs, case, cold, seeds):
    points = []
    for level in LEVELS:
        results = [runs.simulate(case, cold, f"hpa,kpa,oracle:{level}", seed=s, part="test",
                                 budget=case.get("budget", 30_000_000)) for s in seeds[:1]]
        points.append({"policy": f"oracle:{level}", "setting": "", "results": results,
                       "reached": results[0]["oracle"]["reached"]})
    return points


def play_pool(runs, case, cold, seeds):
    """tide with sleepers: on devices of their own, and on devices that others use meanwhile."""
    pools = {"held": {"maxReplicas": case["most"], "holdsDevice": "true"},
             "shared": {"maxReplicas": case["most"], "holdsDevice": "false", "costPerHour": SLEEPER_COST}}
    return [{"policy": f"tide, sleepers {name}", "setting": f"p{p}", "price": case["cost"] / case["count"], "results": [
        runs.simulate(case, cold, "tide", seed=s, part="test", percentile=p, pool=pool) for s in seeds]}
        for name, pool in pools.items() for p in ("95", "99", "99.9")]


def play_ablation(runs, case, cold, seeds):
    """tide with one part left out."""
    return [{"policy": f"tide without {what}", "setting": f"p{p}", "results": [
        runs.simulate(case, cold, "tide", seed=s, part="test", percentile=p, scaling={**UNTUNED, "tideWithout": what})
        for s in seeds]} for what in ABLATED for p in ("95", "99", "99.9")]


PARTS = {"tide": play_tide, "static": play_static, "untuned": play_untuned, **{p: play_peer(p) for p in PEERS},
         "oracle": play_oracle, "pool": play_pool, "ablation": play_ablation}
USUAL = [p for p in PARTS if p not in ("pool", "ablation")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--out", required=True, help="folder for what is kept, and for REPORT.md")
    parser.add_argument("--only", default="", help="workloads, by name, with commas")
    parser.add_argument("--cold", default="120", help="medians of the cold start in seconds, with commas")
    parser.add_argument("--parts", default=",".join(USUAL), help="what to play: " + ", ".join(PARTS))
    parser.add_argument("--runs", type=int, help="bound of the search of `tune`, instead of the workload's own")
    parser.add_argument("--levels", default="0.99,0.999", help="attainments the peers are tuned for")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--commit", default="unknown", help="of the binary, for the report")
    parser.add_argument("--quiet-cases", action="store_true", help="flash crowd, stationary noise and a day of nothing")
    parser.add_argument("--made-cases", action="store_true", help="bursts, levels, ramps and mixes drawn from the seeds")
    args = parser.parse_args()
    traces = os.environ.get("TIDEGATE_TRACES")
    if not traces:
        sys.exit("TIDEGATE_TRACES names no folder: nothing to play")
    runs = Runs(args.binary, traces, args.out)
    report = plane_report.Report(pathlib.Path(args.out), args.commit, runs.sha)
    seeds = [int(s) for s in args.seeds.split(",")]
    if args.quiet_cases or args.made_cases:
        import plane_made
        import plane_quiet
        (plane_quiet if args.quiet_cases else plane_made).play(runs, report, seeds)
        return
    for cold in (int(c) for c in args.cold.split(",")):
        for name, case in CASES.items():
            if args.only and name not in args.only.split(","):
                continue
            if not (runs.traces / case["trace"]).exists():
                print(f"SKIPPED {name}: no {case['trace']} in {traces}")
                continue
            case = {**reachable(runs, case), "levels": [float(a) for a in args.levels.split(",")]}
            case["runs"] = args.runs or case["runs"]
            for part in args.parts.split(","):
                begin = time.monotonic()
                points = PARTS[part](runs, case, cold, seeds)
                report.add(name, case, cold, part, points)
                print(f"{time.strftime('%H:%M:%S')} {name} {cold}s {part}: {len(points)} points, "
                      f"{time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main()
