#!/usr/bin/env python3
"""KEDA's external scaler, end to end: the built binary, an API server with a cluster behind it, emulated
engines at the pods' addresses, and a gRPC client in KEDA's part that writes the scale as KEDA would.

  tests/keda_e2e_test.py TIDEGATE KUBE_STUB KEDA_CLIENT [unittest arguments]
"""
import math
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

import e2e_test
import kube_e2e_test
from e2e_test import Run, until

CLIENT = None
NOT_FOUND, FAILED_PRECONDITION, UNAVAILABLE = 5, 9, 14


def spec(port, mode="observe"):
    return kube_e2e_test.spec(port).replace("policy: concurrency", f"policy: concurrency, mode: {mode}")


class Stream:
    """One StreamIsActive; every push with when it came."""

    def __init__(self, address, model="m"):
        self.process = subprocess.Popen([CLIENT, address, "stream", model], stdout=subprocess.PIPE, text=True)
        self.pushes = []
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.pushes.append((line.strip() == "true", time.monotonic()))

    def history(self):
        return [active for active, _ in self.pushes]

    def end(self):
        code = self.process.wait(e2e_test.WAIT)
        self.thread.join()
        self.process.stdout.close()
        return code


class Keda(kube_e2e_test.OnCluster):
    def run_it(self, mode="observe", time_scale=20, name=".", flags=()):
        home = self.dir / name
        home.mkdir(exist_ok=True)
        run = Run(home, spec(self.port, mode), time_scale, ["--keda-address", "127.0.0.1:0", *flags])
        self.runs.append(run)
        return run.start()

    def call(self, run, *args):
        return subprocess.run([CLIENT, run.info["keda"], *args], capture_output=True, text=True,
                              timeout=e2e_test.WAIT)

    def replicas(self, run):
        """What HPA would scale to; None: no answer, so it would leave things as they are."""
        done = self.call(run, "total", "m")
        return math.ceil(float(done.stdout)) if done.returncode == 0 else None

    def stream(self, run):
        stream = Stream(run.info["keda"])
        self.addCleanup(lambda: stream.process.poll() is None and stream.process.kill())
        return stream

    def test_from_zero_by_push_served_and_back_to_zero(self):
        run = self.run_it()
        stream = self.stream(run)
        until(lambda: stream.history() == [False], "the state on connect")
        self.assertEqual(self.replicas(run), 0)
        answers = []
        asked = time.monotonic()
        request = threading.Thread(target=lambda: answers.append(self.ask(run)), daemon=True)
        request.start()
        until(lambda: stream.history() == [False, True], "the push")
        print(f"request to push: {1000 * (stream.pushes[1][1] - asked):.1f} ms", file=sys.stderr)
        self.assertEqual(self.replicas(run), 1)
        self.assertEqual(self.scale(), 0, "observing: Tidegate writes nothing")
        self.scale(1)
        request.join(e2e_test.WAIT)
        self.assertEqual(answers, [200], run.tail())
        until(lambda: stream.history() == [False, True, False], "idle after scaleDownDelay")
        self.assertEqual(self.replicas(run), 0)
        self.scale(0)
        status = e2e_test.get(f"http://{run.info['admin']}/api/v1/status")
        self.assertEqual((status["keda"]["streams"], status["keda"]["pushes"]), (1, 3))
        self.assertEqual(status["results"][0]["variants"][0]["keda"], {"replicas": 0, "why": None})
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(stream.end(), 0, "ended cleanly")
        self.assertEqual(run.process.wait(e2e_test.WAIT), 0)

    def test_paused_it_holds_what_there_is_and_what_the_operator_says(self):
        run = self.run_it()
        until(lambda: self.replicas(run) == 0, "decided")
        self.scale(2)
        run.ready(2)
        run.cli("pause", "m")
        self.assertEqual(self.replicas(run), 2, "not the recommendation, which is 0")
        run.cli("scale", "m", "3")
        until(lambda: self.replicas(run) == 3, "the operator's word")
        run.cli("resume", "m")
        until(lambda: self.replicas(run) == 0, "the recommendation again")

    def test_a_fresh_start_beside_a_running_fleet_holds_it(self):
        self.scale(3)
        until(lambda: len(self.pods()) == 3, "pods")
        run = self.run_it(time_scale=1)
        first = until(lambda: (lambda n: n is not None and [n])(self.replicas(run)), "decided")
        self.assertEqual(first, [3], "nobody has asked for less for scaleDownDelay")
        run.kill()
        self.assertEqual(self.call(run, "active", "m").returncode, UNAVAILABLE)

    def test_of_two_only_the_leader_listens_and_the_other_takes_over(self):
        first = self.run_it(name="a", flags=["--leader-elect"])
        until(lambda: self.replicas(first) == 0, "the first leads")
        second = self.run_it(name="b", flags=["--leader-elect"])
        until(lambda: "connect" in self.call(second, "active", "m").stderr, "the second does not listen")
        # As a headless Service's name resolves: each address is tried.
        both = f"ipv4:{second.info['keda']},{first.info['keda']}"
        ask_both = lambda: subprocess.run([CLIENT, both, "total", "m"], capture_output=True, text=True,
                                          timeout=e2e_test.WAIT)
        self.assertEqual(ask_both().stdout, "0.000\n", "whoever is named first, the leader answers")
        stream = self.stream(first)
        until(lambda: stream.history() == [False], "the state on connect")
        first.process.send_signal(signal.SIGTERM)
        self.assertEqual(stream.end(), 0, "ended cleanly")
        until(lambda: self.replicas(second) == 0, "the second leads")
        self.assertEqual(ask_both().stdout, "0.000\n")

    def test_a_target_that_is_written_by_tidegate_and_a_model_nobody_knows_are_refused(self):
        run = self.run_it(mode="auto")
        refused = self.call(run, "total", "m")
        self.assertEqual(refused.returncode, FAILED_PRECONDITION)
        self.assertIn("set scaling.mode: observe", refused.stderr)
        self.assertEqual(self.call(run, "target", "m").stdout, "1.000\n", "HPA must not look at CPU")
        unknown = self.call(run, "active", "x")
        self.assertEqual(unknown.returncode, NOT_FOUND)
        self.assertIn('no model "x"; there are: m', unknown.stderr)


if __name__ == "__main__":
    e2e_test.BINARY, kube_e2e_test.STUB, CLIENT = (str(pathlib.Path(arg).resolve()) for arg in sys.argv[1:4])
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]])
