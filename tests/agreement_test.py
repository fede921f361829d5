#!/usr/bin/env python3
"""What `tidegate simulate` says of a trace, `tidegate run` with emulated engines does with it.

    tests/agreement_test.py build/tidegate

One trace with a burst through both: attainment within 2 points, replica-hours within 5 %; with a
policy that only reacts, and with tide and a warm pool. Time is pressed (--time-scale): about 45
seconds each. Then what simulate refuses.
"""
import json
import pathlib
import random
import subprocess
import sys
import unittest

import e2e_test as e2e

SPEC = e2e.spec(slo="{ttft: {p99: 5s}}", max=6, coldStart="{engine: 40s}",
                scaling="{policy: concurrency, window: 30s, scaleDownDelay: 2m, concurrencyTarget: 8}")

TIDE = e2e.spec(slo="{ttft: {p99: 5s}}", max=6, coldStart="{engine: 40s, wakeLevel1: 4s}",
                scaling="{policy: tide, window: 30s, scaleDownDelay: 2m}").replace(
    "\n      target:", "\n      warmPool: {minReplicas: 2, maxReplicas: 3, holdsDevice: false, costPerHour: 0.4}\n      target:")


def trace_rows():
    """Calm, four minutes of burst, calm: the fleet goes up and comes back."""
    chance, rows, at = random.Random(3), [], 0.0
    while at < 780:
        at += chance.expovariate(6.0 if 180 <= at < 420 else 1.2)
        rows.append((at, chance.randint(50, 800), chance.randint(50, 300)))
    return rows


def simulate(*args):
    return subprocess.run([e2e.BINARY, "simulate", *map(str, args)], capture_output=True, text=True,
                          timeout=e2e.WAIT)


class Agreement(e2e.Case):
    def agree(self, spec):
        """Lives and plays `spec`; what simulate said, and both for a message."""
        trace = e2e.write_trace(self.dir / "t.csv", trace_rows())
        tape = self.dir / "tape.jsonl"
        run = self.run_spec(spec, scale=20, flags=["--tape", str(tape)])
        before = run.ready(1)["costDollars"]
        lived = e2e.load(run, trace, "-f", str(run.file))
        paid = run.status()["costDollars"] - before
        self.assertEqual(run.stop(), 0)
        # The controller and the router of core, which the simulator runs, do what this run did.
        replay = subprocess.run([e2e.BINARY, "replay", tape], capture_output=True, text=True)
        self.assertEqual(replay.returncode, 0, replay.stdout + replay.stderr)
        self.assertIn("the same actions byte for byte", replay.stdout)
        done = simulate("-f", run.file, "--trace", trace, "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        played = json.loads(done.stdout)["results"][0]
        told = f"lived {lived} for {paid}\nplayed {played}"
        self.assertEqual(played["requests"], lived["requests"])
        self.assertEqual(played["completed"], lived["completed"], told)
        self.assertGreater(played["scaleUps"], 0, told)
        self.assertGreater(played["scaleDowns"], 0, told)
        self.assertAlmostEqual(played["sloAttainment"], lived["sloAttainment"], delta=0.02, msg=told)
        self.assertAlmostEqual(played["cost"] / paid, 1, delta=0.05, msg=told)
        return played, told

    def test_run_and_simulate_agree(self):
        played, told = self.agree(SPEC)
        self.assertLess(played["sloAttainment"], 0.98, "the burst must hurt, or nothing is compared: " + told)

    def test_run_and_simulate_agree_on_tide_with_sleepers(self):
        played, told = self.agree(TIDE)
        self.assertGreater(played["wakes"], 0, told)


class Asked(e2e.Case):
    def files(self):
        (self.dir / "m.yaml").write_text(SPEC)
        return self.dir / "m.yaml", e2e.write_trace(self.dir / "t.csv", trace_rows())

    def test_policies_come_in_the_order_asked_and_a_second_run_says_the_same(self):
        spec, trace = self.files()
        outputs = []
        for _ in range(2):
            done = simulate("-f", spec, "--trace", trace, "--policy", "hpa,static:3,keda:5", "--seed", 7,
                            "--format", "json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertTrue(done.stderr.startswith("seed 7\n"), done.stderr)
            results = json.loads(done.stdout)["results"]
            self.assertEqual([r["policy"] for r in results], ["hpa", "static:3", "keda:5"])
            for result in results:
                del result["wallSeconds"], result["requestsPerSecond"]
            outputs.append(json.dumps(results))
        self.assertEqual(*outputs)

    def test_what_cannot_be_simulated_is_said(self):
        spec, trace = self.files()
        for args, code, says in [
            (("-f", spec, "--trace", trace, "--policy", "magic"), 1, "magic"),
            (("-f", spec, "--trace", self.dir / "no.csv"), 1, "no.csv"),
            (("-f", self.dir / "no.yaml", "--trace", trace), 1, "no.yaml"),
            (("-f", spec, "--trace", trace, "--from", "2h"), 1, "no request"),
            (("-f", spec, "--trace", trace, "--scale", "0"), 1, "scale"),
            (("-f", spec), 1, "--trace"),
        ]:
            done = simulate(*args)
            self.assertEqual(done.returncode, code, f"{args}: {done.stderr}")
            self.assertIn(says, done.stderr, args)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=2)
