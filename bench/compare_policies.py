#!/usr/bin/env python3
"""Policies beside each other on real traces, as tables of docs/policies-compared.md.

    TIDEGATE_TRACES=DIR bench/compare_policies.py BINARY [--only TRACE] [--policies a,b] [--budget N]

DIR holds the traces named below (Azure 2023 and 2024, Mooncake, ServeGen; the documentation says where
they are from). What is not there is said and left out. One table a trace, sorted by what was met, with the
smallest fixed fleet that reaches 99 % among them.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPEC = ROOT / "docs" / "examples" / "compare.yaml"
POLICIES = "concurrency,hpa,keda,kpa,targettracking,saturation,planner"
# Trace, its flags, and the TTFT bound: long prompts cannot be read in 2 s.
TRACES = [
    ("azure2023_conv.csv", ["--scale", "8"], "2s"),
    ("azure2023_code.csv", ["--scale", "8"], "2s"),
    ("mooncake_conversation.jsonl", ["--scale", "8"], "30s"),
    ("azure2024_conv_week_rate.csv", ["--scale", "0.1", "--until", "4d", "--lengths", "azure2023_conv.csv"], "2s"),
    ("servegen_large_rate.csv", ["--scale", "0.1", "--until", "4d", "--lengths", "azure2023_conv.csv"], "2s"),
]


def simulate(binary, spec, traces, name, flags, policies, budget):
    flags = [str(traces / f) if f.endswith(".csv") else f for f in flags]
    done = subprocess.run([binary, "simulate", "-f", spec, "--trace", traces / name, *flags, "--policy", policies,
                           "--oracle-budget", str(budget), "--format", "json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{name}: {done.stderr}")
    return json.loads(done.stdout)["results"]


def least_static(play):
    """The smallest fixed fleet that reaches 99 %, known only in hindsight; None where 64 do not."""
    low, high = 1, 64
    while low < high:
        middle = (low + high) // 2
        if play(f"static:{middle}")[0]["sloAttainment"] >= 0.99:
            high = middle
        else:
            low = middle + 1
    return play(f"static:{low}")[0] if low < 64 else None


def table(name, flags, ttft, results):
    bound = next((r for r in results if "oracle" in r), None)
    floor = bound["gpuHours"] if bound else None
    print(f"### `{name}` {' '.join(flags)}, TTFT p99 {ttft}\n")
    print(f"{results[0]['requests']:,} requests over {results[0]['simulatedSeconds'] / 3600:.1f} h\n")
    print("| policy | met | GPU-hours | × oracle | TTFT p99 | failed | starts | mean replicas | peak |")
    print("|---|---|---|---|---|---|---|---|---|")
    for r in sorted(results, key=lambda r: -r["sloAttainment"]):
        failed = r["rejected"] + r["timedOut"] + r["lost"]
        ratio = f"{r['gpuHours'] / floor:.2f}" if floor else ""
        print(f"| {r['policy']} | {100 * r['sloAttainment']:.2f} % | {r['gpuHours']:.1f} | {ratio} | "
              f"{r['ttft']['p99']:.2f} s | {failed:,} | {r['coldStarts']} | {r['replicasMean']:.1f} | "
              f"{r['replicasPeak']} |")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--only", default="")
    parser.add_argument("--policies", default=POLICIES + ",oracle:0.99")
    parser.add_argument("--budget", type=int, default=10_000_000)
    args = parser.parse_args()
    traces = pathlib.Path(os.environ.get("TIDEGATE_TRACES", ""))
    if not os.environ.get("TIDEGATE_TRACES"):
        sys.exit("TIDEGATE_TRACES names no folder: nothing to compare on")
    for name, flags, ttft in TRACES:
        if args.only not in name:
            continue
        if not (traces / name).exists():
            print(f"SKIPPED {name}: not in {traces}\n")
            continue
        spec = pathlib.Path(f"/tmp/compare-{os.getpid()}.yaml")
        spec.write_text(SPEC.read_text().replace("{p99: 2s}", "{p99: %s}" % ttft))
        try:
            def play(policies):
                return simulate(args.binary, spec, traces, name, flags, policies, args.budget)

            fixed = least_static(play)
            policies = args.policies.split(",") + ([fixed["policy"]] if fixed else [])
            # With its policy beside it, so that the oracle has it among its candidates.
            table(name, flags, ttft, play(",".join(sorted(policies, key=lambda p: p.startswith("oracle")))))
        finally:
            spec.unlink()


if __name__ == "__main__":
    main()
