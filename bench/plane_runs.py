"""Runs of `tidegate simulate` and `tidegate tune` for bench/plane.py, each kept once it is done.

A run is known by what decides its figures: spec, cold starts, trace, flags, policy, seed, and the binary. For `tide`
that is the binary's own hash. For all others it is the hash of what a probe gives (a few minutes of each peer): a
change of `tide` leaves their figures as they are, and they are played again only when the simulator or a peer changed.
"""
import csv
import hashlib
import json
import os
import pathlib
import subprocess

PEERS = ["hpa", "keda", "kpa", "concurrency", "targettracking", "saturation", "planner"]
NOISE = ("wallSeconds", "requestsPerSecond")  # vary from run to run

SPEC = """apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: plane}}
spec:
  slo: {{ttft: {{p{percentile}: {ttft}s}}, itl: {{p{paced}: {itl}ms}}}}
  scaling: {{policy: concurrency{scaling}}}
  queue: {{maxRequests: 10000, maxBytes: 8GiB, maxWait: 10m}}
  variants:
    - name: only
      costPerHour: {cost}
      hardware: {{accelerator: gpu, count: {count}}}
      minReplicas: {floor}
      maxReplicas: {most}
      engine: {{profile: {profile}, maxNumSeqs: 64}}
      coldStart: {{engine: {{samples: {samples}}}{wake}}}
{pool}"""
WAKE = ", wakeLevel1: {p50: 6s, p90: 10s}"  # host memory to device over PCIe, and the engine's own checks


def digest(*what):
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


class Runs:
    """Plays and remembers. One process at a time, at the lowest priority."""

    def __init__(self, binary, traces, out):
        self.binary, self.traces, self.out = str(binary), pathlib.Path(traces), pathlib.Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.file = self.out / "runs.json"
        self.kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.sha = hashlib.sha256(pathlib.Path(binary).read_bytes()).hexdigest()[:16]
        self.played = 0
        self.world = self.sha  # the probe itself is kept by binary
        self.world = self.probe()

    def probe(self):
        names = PEERS + ["static:9"]
        case = {"trace": "azure2023_conv.csv", "flags": ["--scale", "8", "--until", "6m"],
                "most": 64, "profile": "qwen3-32b-h100-tp2", "count": 2, "cost": 7.8, "ttft": 2, "itl": 60}
        return digest([self.simulate(case, 120, p) for p in names])

    def samples(self, median):
        """Load times of a large model (model_load_seconds.csv), stretched so that their median is `median`."""
        path = self.out / f"cold-{median}.csv"
        if not path.exists():
            seconds = sorted(float(x) for x in (self.traces / "model_load_seconds.csv").read_text().split()[1:])
            factor = median / seconds[len(seconds) // 2]
            path.write_text("seconds\n" + "".join(f"{x * factor:.3f}\n" for x in seconds))
        return path

    def spec(self, case, cold, scaling=None, floor=1, percentile="99", most=None, pool=None):
        """`pool`: keys of warmPool; what sleeps wakes as WAKE says."""
        said = "".join(f", {key}: {value}" for key, value in (scaling or {"scaleDownDelay": "5m"}).items())
        asleep = ", ".join(f"{key}: {value}" for key, value in (pool or {}).items())
        paced = min("95", percentile, key=float)  # the larger of the two is the share that must meet
        return SPEC.format(percentile=percentile, paced=paced, ttft=case["ttft"], itl=case["itl"], cost=case["cost"],
                           count=case["count"], floor=floor, most=most or case["most"], profile=case["profile"],
                           samples=self.samples(cold).name, scaling=said, wake=WAKE if pool else "",
                           pool=f"      warmPool: {{{asleep}}}\n" if pool else "")

    def run(self, verb, spec, flags):
        path = self.out / f"spec-{os.getpid()}.yaml"
        path.write_text(spec)
        try:
            done = subprocess.run(["nice", "-n", "19", self.binary, verb, "-f", path, *flags, "--format", "json"],
                                  capture_output=True, text=True)
        finally:
            path.unlink()
        if done.returncode != 0:
            raise SystemExit(f"{verb} {' '.join(flags)}: {done.stderr}")
        self.played += 1
        return json.loads(done.stdout)["results"]

    def keep(self, key, value):
        self.kept[key] = value
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.kept))
        part.replace(self.file)
        return value

    def where(self, case, part):
        """Flags that choose the trace and, with part="test", the two thirds that no tuning has seen."""
        flags = ["--trace", str(self.traces / case["trace"])]
        flags += [str(self.traces / f) if f.endswith(".csv") else f for f in case["flags"]]
        return flags + (["--from", case["from"]] if part == "test" else [])

    def simulate(self, case, cold, policy, seed=1, part="", budget=10_000_000, **spec):
        """The result of `policy` alone, without what varies; `spec` as of spec()."""
        text = self.spec(case, cold, **spec)
        flags = [*case["flags"], "--seed", str(seed), part and case["from"], budget if "oracle" in policy else ""]
        key = digest(self.sha if "tide" in policy else self.world, text, case["trace"], flags, policy)
        if key in self.kept:
            return self.kept[key]
        result = self.run("simulate", text, [*self.where(case, part), "--policy", policy, "--seed", str(seed),
                                             "--oracle-budget", str(budget)])[-1]
        return self.keep(key, {k: v for k, v in result.items() if k not in NOISE})

    def scenario(self, text, policy, seed):
        """The result of `policy` in the scenario `text`."""
        key = digest(self.sha if "tide" in policy else self.world, text, policy, seed)
        if key in self.kept:
            return self.kept[key]
        result = self.run("simulate", text, ["--policy", policy, "--seed", str(seed)])[0]
        return self.keep(key, {k: v for k, v in result.items() if k not in NOISE})

    def changes(self, text, policy, seed, after):
        """As scenario(), with how often the number changed `after` so many seconds, and what it was last."""
        key = digest(self.sha if "tide" in policy else self.world, text, policy, seed, "changes", after)
        if key in self.kept:
            return self.kept[key]
        told = self.out / f"decisions-{os.getpid()}.csv"
        result = self.run("simulate", text, ["--policy", policy, "--seed", str(seed), "--decisions", str(told)])[0]
        with open(told, newline="") as f:
            rows = [(float(r["at_seconds"]), int(r["planned_replicas"])) for r in csv.DictReader(f)]
        told.unlink()
        changed = sum(1 for (_, a), (at, b) in zip(rows, rows[1:]) if a != b and at >= after)
        return self.keep(key, {**{k: result[k] for k in ("sloAttainment", "gpuHours")}, "changes": changed,
                               "last": rows[-1][1]})

    def tune(self, case, cold, policy, attainment, runs):
        """Knobs `tidegate tune` finds on the first third: {knob: value}, and whether they reach the level there."""
        text = self.spec(case, cold)
        key = digest("tune", self.world, text, case["trace"], case["flags"], policy, attainment, runs)
        if key in self.kept:
            return self.kept[key]
        found = self.run("tune", text, [*self.where(case, ""), "--policy", policy, "--attainment", str(attainment),
                                        "--runs", str(runs), "--jobs", "1",
                                        "--state", str(self.out / "tune.jsonl")])[0]
        return self.keep(key, {"knobs": found["knobs"], "reached": found["reached"], "as": found["tunedPolicy"]})
