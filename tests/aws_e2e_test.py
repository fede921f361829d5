#!/usr/bin/env python3
"""`tidegate run` with an AWS auto scaling group, end to end: the built binary, an AWS that checks every
signature (aws_stub), emulated engines at the instances' addresses.

  tests/aws_e2e_test.py TIDEGATE AWS_STUB [unittest arguments]
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest
import urllib.request

import e2e_test
from e2e_test import Beside, Run, post, until

STUB = None
MACHINES = ["127.1.0.2", "127.1.0.3", "127.1.0.4"]  # as aws_stub gives them out
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret/of+test"}


def spec(port, endpoint):
    return f"""apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: m}}
spec:
  slo: {{ttft: {{p99: 2s}}}}
  scaling: {{policy: concurrency, window: 30s, scaleDownDelay: 20s, concurrencyTarget: 4}}
  queue: {{maxRequests: 2000, maxWait: 600s}}
  variants:
    - name: group
      minReplicas: 0
      maxReplicas: 3
      engine: {{profile: reference, maxNumSeqs: 8}}
      target:
        awsAutoScalingGroup: {{name: g, region: eu-central-1, port: {port}, endpoint: "{endpoint}"}}
"""


class Aws(Beside):
    def setUp(self):
        super().setUp()
        url = self.dir / "url"
        self.start([STUB, str(url), "g", str(len(MACHINES))])
        until(url.exists, "the stub's URL", alive=self.processes[0])
        self.url = url.read_text()
        os.environ.update(KEYS)
        self.port = self.start_engines(MACHINES)

    def tearDown(self):
        super().tearDown()
        for key in KEYS:
            os.environ.pop(key, None)

    def run_it(self, **keys):
        run = Run(self.dir, spec(self.port, self.url), **keys)
        self.runs.append(run)
        return run.start()

    def group(self, desired=None):
        """Reads, or writes as somebody else would."""
        body = None if desired is None else str(desired).encode()
        path = "/state" if desired is None else "/desired"
        with urllib.request.urlopen(self.url + path, data=body, timeout=e2e_test.WAIT) as answer:
            return json.loads(answer.read())

    def ask(self, run):
        return post(run.url("/v1/completions"), {"model": "m", "prompt": "x", "max_tokens": 2})[0]

    def test_a_request_scales_a_group_from_zero_and_back_by_name(self):
        run = self.run_it()
        self.assertEqual(self.group()["desired"], 0)
        self.assertEqual(self.ask(run), 200, run.tail())
        self.assertGreaterEqual(self.group()["desired"], 1)
        until(lambda: self.group()["desired"] == 0, "back to zero after scaleDownDelay")
        until(lambda: self.group()["inService"] == 0, "no instance left")
        self.assertIn("instance is scaled in", run.tail())

    def test_another_writers_number_is_seen_and_the_fleet_is_left_when_it_stops(self):
        run = self.run_it()
        run.cli("pause", "m")
        run.cli("scale", "m", "2")
        until(lambda: self.group()["desired"] == 2, "two written")
        run.ready(2)
        self.group(3)
        until(lambda: "written by somebody else" in run.tail(), "foreign write in the log")
        run.ready(3)
        self.assertEqual(self.group()["writes"], 1, "paused: theirs stands")
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.process.wait(e2e_test.WAIT), 0)
        self.assertEqual(self.group()["desired"], 3)

    def test_wrong_keys_are_said_and_nothing_is_concluded(self):
        os.environ["AWS_SECRET_ACCESS_KEY"] = "hidden-from-logs"
        run = self.run_it()
        until(lambda: "SignatureDoesNotMatch" in run.tail(), "the code in the log")
        self.assertNotIn("hidden-from-logs", run.tail())
        self.assertEqual(self.group()["writes"], 0)


    def test_a_spot_notice_of_its_own_instance_drains_and_stops_it(self):
        os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = self.url
        self.addCleanup(os.environ.pop, "AWS_EC2_METADATA_SERVICE_ENDPOINT")
        run = self.run_it(flags=["--spot-notice"])
        self.assertEqual(self.ask(run), 200, run.tail())
        notice = b'{"action":"terminate","time":"2026-01-02T03:06:05Z"}'
        urllib.request.urlopen(self.url + "/spot", data=notice, timeout=e2e_test.WAIT).close()
        self.assertEqual(run.process.wait(e2e_test.WAIT), 0)
        self.assertIn("action terminate at 2026-01-02T03:06:05Z", run.tail())

    def test_target_tracking_is_written_by_the_verb_alone_and_never_beside_our_own_writes(self):
        path = self.dir / "track.yaml"
        text = spec(self.port, self.url)
        command = [e2e_test.BINARY, "aws-tracking", "-f", str(path), "--write"]
        for change, code, said in (
                (("", ""), 2, "set scaling.mode: observe"),
                (("scaling: {", "scaling: {mode: observe, "), 2, "set publishMetrics: true"),
                (("{name: g,", "{name: g, publishMetrics: true,"), 0, "follows LLMQueueDepth of m")):
            text = text.replace(*change)
            path.write_text(text)
            done = subprocess.run(command, capture_output=True, text=True, cwd=self.dir)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(said, done.stdout + done.stderr)


if __name__ == "__main__":
    e2e_test.BINARY, STUB = (str(pathlib.Path(arg).resolve()) for arg in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
