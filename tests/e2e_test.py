#!/usr/bin/env python3
"""One machine, end to end, with the built binary: real processes, real sockets, emulated engines.

  tests/e2e_test.py BINARY [unittest arguments]

Time is pressed (--time-scale), ports are free ones, nothing is left running.
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

BINARY = None
WAIT = 60  # wall seconds any one thing may take before the test gives up


def spec(name="m", command="", **keys):
    """A small Model; keys replace whole blocks of the spec."""
    block = {
        "slo": "{ttft: {p99: 2s}}",
        "scaling": "{policy: concurrency, window: 30s, scaleDownDelay: 60s, concurrencyTarget: 4}",
        "queue": "{maxRequests: 2000, maxWait: 600s}",
        "min": 1,
        "max": 4,
        "coldStart": "{engine: 10s}",
        "extra": "",
    }
    block.update(keys)
    command = command or '["tidegate", "engine", "--port", "{port}"]'
    return f"""apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: {name}}}
spec:
  slo: {block['slo']}
  scaling: {block['scaling']}
  queue: {block['queue']}
  {block['extra']}
  variants:
    - name: emulated
      costPerHour: 4.0
      minReplicas: {block['min']}
      maxReplicas: {block['max']}
      engine: {{profile: reference, maxNumSeqs: 8}}
      coldStart: {block['coldStart']}
      target: {{process: {{command: {command}, drainTimeout: 60s, stopGrace: 5s}}}}
"""


class Run:
    """A `tidegate run` in a directory of its own."""

    def __init__(self, directory, yaml, scale=20, flags=()):
        self.dir = pathlib.Path(directory)
        self.file = self.dir / "model.yaml"
        self.file.write_text(yaml)
        self.scale = scale
        self.flags = list(flags)
        self.process = None

    def start(self):
        state = self.dir / "state"
        (state / "run.json").unlink(missing_ok=True)
        with open(self.dir / "run.log", "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "run", "-f", str(self.file), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0",
                 "--state", str(state), "--time-scale", str(self.scale), *self.flags],
                cwd=self.dir, stdout=log, stderr=log)
        self.info = until(lambda: self._info(state), "run.json", alive=self.process)
        return self

    def _info(self, state):
        try:
            return json.loads((state / "run.json").read_text())
        except (OSError, ValueError):
            return None

    def url(self, path=""):
        return f"http://{self.info['gateway']}{path}"

    def status(self):
        return get(f"http://{self.info['admin']}/api/v1/status")["results"][0]

    def ready(self, n):
        return until(lambda: self.status()["variants"][0]["ready"] >= n and self.status(),
                     f"{n} replicas ready")

    def cli(self, *args, check=True):
        done = subprocess.run([BINARY, *args, "--admin", self.info["admin"]], capture_output=True,
                              text=True, timeout=WAIT)
        if check and done.returncode != 0:
            raise AssertionError(f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(WAIT)

    def stop(self):
        """SIGTERM; everything it started must be gone."""
        pids = engine_pids(self.dir)
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WAIT)
        until(lambda: not any(alive(pid) for pid in pids), "engines gone")
        return code

    def clean(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in engine_pids(self.dir):
            os.kill(pid, signal.SIGKILL)

    def tail(self):
        return (self.dir / "run.log").read_text()[-3000:]


def until(condition, what, seconds=WAIT, alive=None):
    """Polls; a condition that never comes is a failure that says what was waited for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            value = condition()
        except OSError:
            value = None
        if value:
            return value
        if alive is not None and alive.poll() is not None:
            raise AssertionError(f"the process ended with {alive.returncode} before: {what}")
        time.sleep(0.02)
    raise AssertionError(f"never came: {what}")


def get(url):
    with urllib.request.urlopen(url, timeout=WAIT) as r:
        return json.loads(r.read())


def post(url, body, headers=None, timeout=WAIT):
    request = urllib.request.Request(url, json.dumps(body).encode(),
                                     {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as r:
            return r.status, r.read().decode(), dict(r.headers)
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(), dict(e.headers)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def engine_pids(directory):
    """Engines started below `directory`: their environment names its state."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            env = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"TIDEGATE_REPLICA_ID=" in env and str(directory).encode() in env and alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def load(run, trace, *flags):
    done = subprocess.run([BINARY, "load", "--url", run.url(), "--trace", str(trace), "--time-scale",
                           str(run.scale), "--format", "json", *flags],
                          capture_output=True, text=True, timeout=4 * WAIT)
    if done.returncode != 0:
        raise AssertionError(f"load: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return json.loads(done.stdout)["results"][0]


def write_trace(path, rows):
    path.write_text("time,prompt_tokens,output_tokens\n" +
                    "".join(f"{t:.3f},{p},{o}\n" for t, p, o in rows))
    return path


class Case(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.dir = pathlib.Path(self.temp.name).resolve()
        self.runs = []

    def tearDown(self):
        for run in self.runs:
            run.clean()
        self.temp.cleanup()

    def run_spec(self, yaml, **keys):
        run = Run(self.dir, yaml, **keys)
        self.runs.append(run)
        return run.start()


class Beside(Case):
    """A case with programs of its own beside Tidegate: stubs, engines, a Prometheus."""

    def setUp(self):
        super().setUp()
        self.processes = []

    def tearDown(self):
        super().tearDown()
        for process in self.processes:
            process.kill()
            process.wait()

    def start(self, command):
        with open(self.dir / "stub.log", "ab") as log:
            self.processes.append(subprocess.Popen(command, cwd=self.dir, stdout=log, stderr=log))
        return self.processes[-1]

    def start_engines(self, hosts):
        """An emulated engine on each, all on the one port that is answered."""
        with socket.socket() as free:
            free.bind((hosts[0], 0))
            port = free.getsockname()[1]
        for host in hosts:
            engine = self.start([BINARY, "engine", "m", "--host", host, "--port", str(port)])
            until(lambda: socket.create_connection((host, port)).close() or True, "engine", alive=engine)
        return port


class Spine(Case):
    def test_the_fleet_follows_the_load_and_every_decision_can_be_explained(self):
        tape = self.dir / "tape.jsonl"
        run = self.run_spec(spec(), scale=20, flags=["--tape", str(tape)])
        run.ready(1)
        rows = [(0.5 * i, 200, 60) for i in range(60)]            # calm
        rows += [(30 + 0.1 * i, 400, 120) for i in range(600)]    # ten a second: a fleet is needed
        rows += [(90 + 1.0 * i, 200, 60) for i in range(60)]      # calm again
        result = load(run, write_trace(self.dir / "t.csv", rows))
        self.assertEqual(result["requests"], len(rows))
        self.assertEqual(result["completed"], len(rows), f"{result}\n{run.tail()}")
        self.assertEqual(result["lost"], 0)
        status = run.status()
        self.assertGreaterEqual(status["replicasPeak"], 3, status)
        self.assertGreater(status["costDollars"], 0)
        self.assertEqual(status["outcomes"]["completed"], len(rows))
        until(lambda: run.status()["variants"][0]["desired"] == 1, "back to one replica")
        explained = run.cli("explain", "m", "--last", "500").stdout
        self.assertIn("Concurrency", explained)
        self.assertNotIn("ANOTHER ANSWER", explained)
        self.assertEqual(explained.count("run again: the same answer"), explained.count("decision "))
        metrics = urllib.request.urlopen(f"http://{run.info['admin']}/metrics").read().decode()
        for family in ("tidegate_desired_replicas", "tidegate_queue_requests", "tidegate_queue_tokens",
                       "tidegate_cold_start_seconds_bucket", "tidegate_decisions_total",
                       "tidegate_slo_attainment", "tidegate_cost_dollars_total"):
            self.assertIn(family + "{", metrics)
        if shutil.which("promtool"):
            lint = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True,
                                  capture_output=True)
            self.assertEqual(lint.returncode, 0, lint.stdout + lint.stderr)
        else:
            print("promtool is not installed: the metrics page was not linted", file=sys.stderr)
        self.assertEqual(run.stop(), 0)
        replay = subprocess.run([BINARY, "replay", str(tape)], capture_output=True, text=True)
        self.assertEqual(replay.returncode, 0, replay.stdout + replay.stderr)
        self.assertIn("the same actions byte for byte", replay.stdout)
        self.assertGreater(len(tape.read_text().splitlines()), 3 * len(rows))

    def test_asleep_at_zero_it_holds_fifty_at_once_and_answers_them_all(self):
        run = self.run_spec(spec(min=0, scaling="{policy: concurrency, window: 30s, scaleDownDelay: 60s, "
                                                "concurrencyTarget: 8, environment: cost}"))
        self.assertEqual(run.status()["variants"][0]["desired"], 0)
        answers, body = [], {"model": "m", "prompt": "x " * 50, "max_tokens": 5}
        threads = [threading.Thread(target=lambda: answers.append(
            post(run.url("/v1/completions"), body)[0])) for _ in range(50)]
        for t in threads:
            t.start()
        # One more client comes, and leaves while nothing runs yet: its place is free at once.
        leaver = socket.create_connection(tuple(run.info["gateway"].rsplit(":", 1)))
        data = json.dumps(body).encode()
        leaver.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
                       + data)
        until(lambda: run.status()["arrivedTotal"] == 51, "51 arrived")
        leaver.close()
        until(lambda: run.status()["outcomes"]["client_gone"] == 1, "the leaver is out")
        for t in threads:
            t.join()
        self.assertEqual(answers, [200] * 50, run.tail())
        until(lambda: run.status()["variants"][0]["desired"] == 0, "back to zero")

    def test_killed_in_the_middle_the_engines_serve_on_and_are_taken_over(self):
        run = self.run_spec(spec(min=2))
        run.ready(2)
        before = sorted(engine_pids(self.dir))
        self.assertEqual(len(before), 2)
        run.kill()
        self.assertEqual(sorted(engine_pids(self.dir)), before, "engines outlive the controller")
        run.start()
        status = run.ready(2)
        self.assertEqual(sorted(engine_pids(self.dir)), before, "none lost, none started twice")
        self.assertTrue(all(r["adopted"] for r in status["replicas"]))
        self.assertEqual(post(run.url("/v1/completions"), {"model": "m", "prompt": "hi"})[0], 200)
        self.assertEqual(run.stop(), 0)

    def test_a_start_that_never_comes_is_made_up_for_by_another_variant(self):
        engine = '["tidegate", "engine", "--port", "{port}", "--time-scale", "20", "--cold-start", "%s"]'
        stuck = spec(scaling="{policy: tide, window: 30s, scaleDownDelay: 60s}", min=0,
                     command=engine % "10h")
        dearer = spec(min=0, command=engine % "10s").split("variants:\n")[1]
        run = self.run_spec(stuck + dearer.replace("emulated", "dearer").replace("4.0", "8.0"))
        trace = write_trace(self.dir / "t.csv", [(i / 2, 300, 50) for i in range(600)])
        started = threading.Thread(target=lambda: answered.update(load(run, trace)), daemon=True)
        answered = {}
        started.start()
        until(lambda: run.status()["variants"][1]["ready"] > 0, "the other variant is ready")
        least = 9
        while started.is_alive():
            least = min(least, run.status()["variants"][1]["ready"])
            time.sleep(0.05)
        self.assertEqual(answered["completed"], 600)
        self.assertGreaterEqual(least, 1, "what serves stays")
        self.assertIn("not ready after 30 s", (self.dir / "run.log").read_text())
        self.assertEqual(run.stop(), 0)

    def test_a_second_signal_stops_everything_at_once(self):
        run = self.run_spec(spec(command='["tidegate", "engine", "--port", "{port}", "--fault", '
                                         '"hang-after=0"]'))
        run.ready(1)
        engines = engine_pids(self.dir)
        with socket.create_connection(tuple(run.info["gateway"].rsplit(":", 1))) as client:
            data = json.dumps({"model": "m", "prompt": "x"}).encode()
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                           % len(data) + data)
            until(lambda: run.status()["inFlight"] == 1, "the request hangs in the engine")
            run.process.send_signal(signal.SIGTERM)
            until(lambda: "a second signal" in run.tail(), "it drains")
            self.assertIsNone(run.process.poll(), "what runs may finish")
            run.process.send_signal(signal.SIGTERM)
            self.assertEqual(run.process.wait(WAIT), 0)
        until(lambda: not any(alive(pid) for pid in engines), "engines gone")

    def test_an_explanation_needs_no_running_controller(self):
        run = self.run_spec(spec())
        run.ready(1)
        run.stop()
        done = subprocess.run([BINARY, "explain", "m", "--state", str(self.dir / "state")],
                              capture_output=True, text=True, cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("run again: the same answer", done.stdout)

    def test_aliases_and_adapters_stream_or_not(self):
        command = ('["tidegate", "engine", "--port", "{port}", "--enable-lora", "--lora-modules", '
                   '"sql-v2=/adapters/sql-v2"]')
        run = self.run_spec(spec(command=command, extra="servedNames: [org/Big, alias]\n"
                                 "  adapters: [{name: sql-v2, path: /adapters/sql-v2}]"))
        run.ready(1)
        names = {m["id"] for m in get(run.url("/v1/models"))["data"]}
        self.assertEqual(names, {"org/Big", "alias", "sql-v2"})
        for model in sorted(names):
            body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
            code, text, headers = post(run.url("/v1/chat/completions"), body)
            self.assertEqual(code, 200, text)
            self.assertEqual(json.loads(text)["usage"]["completion_tokens"], 4)
            code, text, headers = post(run.url("/v1/chat/completions"), {**body, "stream": True})
            self.assertEqual(code, 200, text)
            self.assertTrue(text.rstrip().endswith("data: [DONE]"), text)
        code, text, _ = post(run.url("/v1/completions"), {"model": "nobody", "prompt": "x"})
        self.assertEqual((code, json.loads(text)["error"]["code"]), (404, "model_not_found"))

    def test_the_operator_scales_pauses_and_resumes(self):
        run = self.run_spec(spec())
        run.ready(1)
        run.cli("pause", "m")
        self.assertTrue(until(lambda: run.status()["paused"], "paused"))
        run.cli("scale", "m/emulated", "3")
        run.ready(3)
        run.cli("resume", "m")
        until(lambda: run.status()["variants"][0]["desired"] == 1, "policy decides again")
        self.assertIn("emulated", run.cli("status").stdout)
        over = run.cli("scale", "m", "99", check=False)
        self.assertEqual(over.returncode, 1)
        self.assertIn("maxReplicas", over.stderr)

    def test_a_changed_file_is_taken_up_and_a_broken_one_changes_nothing(self):
        run = self.run_spec(spec())
        run.ready(1)
        run.file.write_text("kind: Modle\n")
        until(lambda: "nothing changed" in run.tail(), "the error is reported")
        run.file.write_text(spec(min=2))
        run.ready(2)
        # A model may leave the file and come back.
        run.file.write_text(spec(name="other"))
        until(lambda: run.status()["model"] == "other" and run.status()["variants"][0]["ready"] >= 1,
              "the other model")
        run.file.write_text(spec(name="other") + "---\n" + spec())
        until(lambda: len(get(f"http://{run.info['admin']}/api/v1/status")["results"]) == 2, "both")
        until(lambda: post(run.url("/v1/completions"), {"model": "m", "prompt": "x"})[0] == 200,
              "the first model serves again")


class Trouble(Case):
    def refused(self, yaml, *flags):
        (self.dir / "bad.yaml").write_text(yaml)
        listen = [] if "--listen" in flags else ["--listen", "127.0.0.1:0"]
        done = subprocess.run([BINARY, "run", "-f", "bad.yaml", "--admin", "127.0.0.1:0", "--state", "s",
                               *listen, *flags], cwd=self.dir, capture_output=True, text=True,
                              timeout=WAIT)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_broken_specs_are_refused_with_the_place(self):
        self.assertIn("bad.yaml:", self.refused("a: [1\n"))
        message = self.refused(spec().replace("costPerHour", "costPerHuor"))
        self.assertIn("costPerHour", message)
        self.assertIn("not built yet", self.refused(spec(scaling="{policy: oracle}")))

    def test_a_pool_that_local_processes_do_not_have_is_refused(self):
        pool = "warmPool: {maxReplicas: 1, state: cachedWeights, costPerHour: 0.1}\n      target:"
        message = self.refused(spec().replace("target:", pool))
        self.assertIn("model m, variant emulated: warmPool.state: target.process puts engines to sleep", message)
        self.assertIn("write level1 or level2", message)

    def test_a_port_in_use_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            message = self.refused(spec(), "--listen", f"127.0.0.1:{port}")
        self.assertIn(str(port), message)
        self.assertIn("in use", message)

    def test_an_engine_that_cannot_start_is_said_and_the_rest_goes_on(self):
        run = self.run_spec(spec(command='["/no/such/engine", "{port}"]'))
        until(lambda: "/no/such/engine" in run.tail(), "the command is named")
        self.assertEqual(run.status()["variants"][0]["ready"], 0)
        code, text, _ = post(run.url("/v1/completions"), {"model": "nobody", "prompt": "x"})
        self.assertEqual(code, 404)
        self.assertEqual(run.stop(), 0)

    def test_a_body_over_the_limit_and_a_smuggled_one_are_refused(self):
        run = self.run_spec(spec(queue="{maxRequests: 10, maxWait: 600s, maxBodyBytes: 1MiB}"))
        run.ready(1)
        host = tuple(run.info["gateway"].rsplit(":", 1))
        for head, status in ((b"Content-Length: 104857600\r\n", b"413"),
                             (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"400"),
                             (b"Content-Length: 5\r\nContent-Length: 6\r\n", b"400")):
            with socket.create_connection(host) as s:
                s.settimeout(WAIT)
                s.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")
                self.assertIn(status, s.recv(4096).split(b"\r\n")[0], head)
        self.assertEqual(post(run.url("/v1/completions"), {"model": "m", "prompt": "x"})[0], 200)

    def test_garbage_metrics_harm_nobody(self):
        command = '["tidegate", "engine", "--port", "{port}", "--fault", "lying-metrics=garbage"]'
        run = self.run_spec(spec(command=command))
        run.ready(1)
        self.assertEqual(post(run.url("/v1/completions"), {"model": "m", "prompt": "x"})[0], 200)
        self.assertIsNone(run.status()["variants"][0]["kvUsage"], "garbage is absent, not zero")

    def test_a_trace_with_broken_rows_says_what_it_skipped(self):
        run = self.run_spec(spec())
        run.ready(1)
        trace = self.dir / "t.csv"
        trace.write_text("time,prompt_tokens,output_tokens\n0,10,2\nnonsense\n1,-5,2\n2,10,2\n")
        self.assertEqual(load(run, trace)["completed"], 2)
        none = subprocess.run([BINARY, "load", "--url", run.url(), "--trace", "/no/such"],
                              capture_output=True, text=True)
        self.assertEqual(none.returncode, 1)
        self.assertIn("/no/such", none.stderr)


class Demo(Case):
    def demo(self, *flags):
        return subprocess.Popen([BINARY, "demo", *flags], cwd=self.dir, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "TMPDIR": str(self.dir)})

    def test_it_plays_its_day_and_leaves_nothing_behind(self):
        with self.demo("--seconds", "10") as demo:
            out, _ = demo.communicate(timeout=2 * WAIT)
        self.assertEqual(demo.returncode, 0, out)
        self.assertIn(" 0 lost", out)
        self.assertIn("for a fleet fixed at the peak", out)
        self.assertEqual(engine_pids(self.dir), [])
        self.assertEqual(list(self.dir.iterdir()), [])

    def test_interrupted_it_leaves_nothing_behind_either(self):
        with self.demo("--seconds", "60") as demo:
            until(lambda: engine_pids(self.dir), "an engine runs", alive=demo)
            demo.send_signal(signal.SIGINT)
            out, _ = demo.communicate(timeout=WAIT)
        self.assertEqual(demo.returncode, 130, out)
        until(lambda: not engine_pids(self.dir), "engines gone")
        self.assertEqual(list(self.dir.iterdir()), [])


if __name__ == "__main__":
    BINARY = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=2)
