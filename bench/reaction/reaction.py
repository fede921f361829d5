#!/usr/bin/env python3
"""How soon Tidegate serves, feeds a new replica and orders more: the shipped binary, wall time.

    bench/reaction/reaction.py --build build [--repeat 5] [--case order-hpa] [--idle 60]

version   `tidegate version`, from fork to exit
serve     `tidegate run`, from fork to the first whole answer of /v1/models
feed      an engine's first successful /health answer -> the first queued request at that engine
order-P   first of 64 requests at once sent -> the process of the next replica runs, under policy P
          with its defaults, after IDLE seconds without a request. A policy that averages over a
          window of 60 s waits by its law: the longer the idle history, the longer.

Prints JSON with seconds, sorted. A stub engine in Python stands behind `feed`: its own share, about
a millisecond, is in the figure.
"""

import argparse
import http.client
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from processes import Crew, emit, wait_for_port  # noqa: E402

LIMIT = 20  # seconds any one thing may take

SPEC = """apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: m}}
spec:
  scaling: {{policy: {policy}, mode: {mode}, concurrencyTarget: 8}}
  variants:
    - name: pool
      hardware: {{count: 0}}
      minReplicas: 1
      maxReplicas: 8
      engine: {{maxNumSeqs: 8}}
      coldStart: {{engine: 0s}}
      target: {target}
"""
CHAT = '{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":%d}'


def post(port, tokens=16):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request("POST", "/v1/chat/completions", CHAT % tokens,
                           {"Content-Type": "application/json"})
        return connection.getresponse().read()
    except OSError:
        return None  # the run ends while a burst is still being answered
    finally:
        connection.close()


def version(build, _directory, _idle):
    begin = time.perf_counter()
    subprocess.run([os.path.join(build, "tidegate"), "version"], check=True,
                   stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def serve(build, directory, _idle):
    with Crew() as crew:
        target = '{endpoints: ["http://127.0.0.1:9"]}'
        spec = SPEC.format(policy="hpa", mode="observe", target=target)
        begin = time.perf_counter()
        process, port, _ = crew.tidegate_run(build, directory, spec)
        wait_for_port(port, process)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 200
        return time.perf_counter() - begin


class StubEngine(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.healthy = threading.Event()
        self.fed = threading.Event()
        self.healthy_at = self.fed_at = None


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        engine = self.server
        if self.path != "/health":
            return self.answer(404)
        if not engine.healthy.is_set():
            return self.answer(503)
        if engine.healthy_at is None:
            engine.healthy_at = time.perf_counter()
        self.answer(200)

    def do_POST(self):
        engine = self.server
        if engine.fed_at is None:
            engine.fed_at = time.perf_counter()
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')
        engine.fed.set()


def feed(build, directory, _idle):
    engine = StubEngine()
    threading.Thread(target=engine.serve_forever, daemon=True).start()
    try:
        with Crew() as crew:
            target = f'{{endpoints: ["http://127.0.0.1:{engine.server_port}"]}}'
            spec = SPEC.format(policy="hpa", mode="observe", target=target)
            process, port, _ = crew.tidegate_run(build, directory, spec)
            wait_for_port(port, process)
            threading.Thread(target=post, args=(port,), daemon=True).start()
            time.sleep(0.3)  # it waits in the queue
            engine.healthy.set()
            if not engine.fed.wait(LIMIT):
                raise SystemExit(f"the queued request did not arrive in {LIMIT} s")
            return engine.fed_at - engine.healthy_at
    finally:
        engine.shutdown()
        engine.server_close()


def order(build, directory, policy, idle):
    starts = os.path.join(directory, "starts")
    engine = os.path.join(directory, "engine.sh")
    with open(engine, "w") as f:
        f.write(f'date +%s.%N >> {starts}\nexec {build}/tidegate engine --port "$1"\n')

    def started():
        try:
            with open(starts) as f:
                return [float(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    with Crew() as crew:
        target = f'{{process: {{command: ["sh", "{engine}", "{{port}}"]}}}}'
        process, port, _ = crew.tidegate_run(build, directory,
                                             SPEC.format(policy=policy, mode="auto", target=target))
        wait_for_port(port, process)
        assert post(port)  # the first replica serves
        time.sleep(idle + random.random())  # not in step with the observations
        before = len(started())
        begin = time.time()
        for _ in range(64):
            threading.Thread(target=post, args=(port, 2000), daemon=True).start()
        while len(started()) == before:
            if time.time() - begin > LIMIT:
                raise SystemExit(f"no more replicas were ordered in {LIMIT} s")
            time.sleep(0.005)
        return started()[before] - begin


def order_under(policy):
    return lambda build, directory, idle: order(build, directory, policy, idle)


CASES = {"version": (version, 20), "serve": (serve, 5), "feed": (feed, 5)}
CASES |= {f"order-{p}": (order_under(p), 3) for p in ("hpa", "kpa", "concurrency")}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="folder with tidegate")
    parser.add_argument("--case", choices=list(CASES), action="append")
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--idle", type=float, default=3)
    args = parser.parse_args()
    results = []
    for case in args.case or CASES:
        measure, repeat = CASES[case]
        seconds = []
        for _ in range(args.repeat or repeat):
            with tempfile.TemporaryDirectory() as directory:
                seconds.append(round(measure(os.path.abspath(args.build), directory, args.idle), 4))
        seconds.sort()
        results.append({"case": case, "median": seconds[len(seconds) // 2], "seconds": seconds})
        print(results[-1], file=sys.stderr)
    emit(results)


if __name__ == "__main__":
    main()
