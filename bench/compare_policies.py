#!/usr/bin/env python3
"""Policies beside each other on real traces, as tables of docs/policies-compared.md.

    TIDEGATE_TRACES=DIR bench/compare_policies.py BINARY [--only TRACE] [--policies a,b] [--proxy]

DIR holds the traces named below (Azure 2023 and 2024, Mooncake, ServeGen; the documentation says where
they are from). What is not there is said and left out. One table a trace, sorted by what was met, with the
smallest fixed fleet that reaches the oracle's level among them.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPEC = ROOT / "docs" / "examples" / "compare.yaml"
POLICIES = "tide,concurrency,hpa,keda,kpa,targettracking,saturation,planner"
# Trace, its flags, and the bounds on TTFT and ITL: prompts of 12,000 tokens are not read in 2 s, and while
# they are, others wait for their next token. Last the level of the oracle: an hour's first two minutes, which
# no order can help, are 3 % of it.
LENGTHS = ["--lengths", "azure2023_conv.csv"]
TRACES = [
    ("azure2023_conv.csv", ["--scale", "8"], "2s", "60ms", 0.95),
    ("azure2023_code.csv", ["--scale", "8"], "2s", "60ms", 0.95),
    ("mooncake_conversation.jsonl", ["--scale", "4"], "30s", "200ms", 0.95),
    ("azure2024_conv_week_rate.csv", ["--scale", "0.5", "--until", "4d", *LENGTHS], "2s", "60ms", 0.99),
    ("servegen_large_rate.csv", ["--scale", "0.1", "--until", "4d", *LENGTHS], "2s", "60ms", 0.99),
]


def simulate(binary, spec, traces, name, flags, policies, budget, behind="gateway"):
    flags = [str(traces / f) if f.endswith(".csv") else f for f in flags]
    done = subprocess.run([binary, "simulate", "-f", spec, "--trace", traces / name, *flags, "--policy", policies,
                           "--behind", behind, "--oracle-budget", str(budget), "--format", "json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr}")
    return json.loads(done.stdout)["results"]


def least_static(play, level):
    """The smallest fixed fleet that reaches the level, known only in hindsight; None where 64 do not."""
    low, high = 1, 64
    while low < high:
        middle = (low + high) // 2
        if play(f"static:{middle}")[0]["sloAttainment"] >= level:
            high = middle
        else:
            low = middle + 1
    best = play(f"static:{low}")[0]
    return best if best["sloAttainment"] >= level else None


def table(heading, results, floor=None):
    bound = next((r for r in results if "oracle" in r), None)
    floor = bound["gpuHours"] if bound else floor
    print(f"{heading}\n")
    print(f"{results[0]['requests']:,} requests, {results[0]['simulatedSeconds'] / 3600:.1f} h.\n")
    print("| policy | met | GPU-hours | × oracle | TTFT p99 | failed | starts | mean replicas | peak |")
    print("|---|---|---|---|---|---|---|---|---|")
    for r in sorted(results, key=lambda r: -r["sloAttainment"]):
        failed = r["rejected"] + r["timedOut"] + r["lost"]
        ratio = f"{r['gpuHours'] / floor:.2f}" if floor else ""
        name = r["policy"] + ("" if r.get("oracle", {}).get("reached", True) else " (not reached)")
        print(f"| {name} | {100 * r['sloAttainment']:.2f} % | {r['gpuHours']:.1f} | {ratio} | "
              f"{r['ttft']['p99']:.2f} s | {failed:,} | {r['coldStarts']} | {r['replicasMean']:.1f} | "
              f"{r['replicasPeak']} |")
    print(flush=True)
    return floor


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--only", default="")
    parser.add_argument("--policies", default=POLICIES)
    parser.add_argument("--proxy", action="store_true", help="a second table behind a plain proxy")
    parser.add_argument("--budget", type=int, default=10_000_000)
    args = parser.parse_args()
    traces = pathlib.Path(os.environ.get("TIDEGATE_TRACES", ""))
    if not os.environ.get("TIDEGATE_TRACES"):
        sys.exit("TIDEGATE_TRACES names no folder: nothing to compare on")
    for name, flags, ttft, itl, level in TRACES:
        if args.only not in name:
            continue
        if not (traces / name).exists():
            print(f"SKIPPED {name}: not in {traces}\n")
            continue
        spec = pathlib.Path(f"{tempfile.gettempdir()}/compare-{os.getpid()}.yaml")
        spec.write_text(SPEC.read_text().replace("{p99: 2s}", "{p99: %s}" % ttft)
                        .replace("{p95: 60ms}", "{p95: %s}" % itl))
        try:
            def play(policies, behind="gateway"):
                return simulate(args.binary, spec, traces, name, flags, policies, args.budget, behind)

            fixed = least_static(play, level)
            policies = args.policies.split(",") + ([fixed["policy"]] if fixed else []) + [f"oracle:{level}"]
            heading = f"### `{name}` {' '.join(flags)}\n\nTTFT p99 {ttft}, ITL p95 {itl}."
            floor = table(heading, play(",".join(policies)))
            if args.proxy:
                policies = [p for p in policies if not p.startswith("oracle")]
                table("Behind a plain least-request proxy:", play(",".join(policies), "proxy"), floor)
        finally:
            spec.unlink()


if __name__ == "__main__":
    main()
