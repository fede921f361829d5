#!/usr/bin/env python3
"""How long from a request at the gateway to the push that makes KEDA scale from zero, and what KEDA's
calls for many models cost.

  bench/keda/push.py --build build [--models 1000] [--samples 40]

Builds of tidegate, kube_stub and keda_client. One request for each of `samples` models, at moments
without order; then nobody calls; then a stream and a poll each 5 s for every model.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from processes import Crew, cpu_seconds

SPEC = """apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: m{i}}}
spec:
  slo: {{ttft: {{p99: 2s}}}}
  scaling: {{policy: concurrency, mode: observe, concurrencyTarget: 4}}
  variants:
    - name: pods
      minReplicas: 0
      maxReplicas: 3
      engine: {{profile: reference, maxNumSeqs: 8}}
      target: {{kubernetes: {{namespace: serve, name: m, port: 9000}}}}
"""
LOOK = 15  # seconds CPU time is counted over


class Stream:
    def __init__(self, client, address, model):
        self.process = subprocess.Popen([client, address, "stream", model], stdout=subprocess.PIPE, text=True)
        self.pushes = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.pushes.append((line.strip(), time.monotonic()))


def wait(condition):
    while not condition():
        time.sleep(0.0005)


def cpu_percent(pid):
    before = cpu_seconds(pid)
    time.sleep(LOOK)
    return 100 * (cpu_seconds(pid) - before) / LOOK


def megabytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def ask(gateway, model):
    connection = http.client.HTTPConnection(gateway)
    at = time.monotonic()
    connection.request("POST", "/v1/completions", json.dumps({"model": model, "prompt": "x", "max_tokens": 2}),
                       {"Content-Type": "application/json"})
    return connection, at


def measure(args, run, client, info):
    streams = [Stream(client, info["keda"], f"m{i}") for i in range(args.samples)]
    wait(lambda: all(s.pushes for s in streams))
    took = []
    for i, stream in enumerate(streams):
        time.sleep(random.uniform(0.05, 0.25))
        connection, at = ask(info["gateway"], f"m{i}")
        wait(lambda: len(stream.pushes) > 1)
        took.append(1000 * (stream.pushes[1][1] - at))
        connection.close()
        stream.process.kill()
    took.sort()
    print(f"request to push, {len(took)} models of {args.models}: median {took[len(took) // 2]:.1f} ms, "
          f"90th {took[len(took) * 9 // 10]:.1f}, largest {took[-1]:.1f}")
    time.sleep(2)
    print(f"nobody calls: {cpu_percent(run.pid):.1f} % of a core, {megabytes(run.pid):.0f} MB")
    crowd = subprocess.Popen([client, info["keda"], "crowd", str(args.models), "5"])
    time.sleep(7)
    print(f"KEDA for all: {cpu_percent(run.pid):.1f} % of a core, {megabytes(run.pid):.0f} MB")
    crowd.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=40)
    args = parser.parse_args()
    build = args.build.resolve()
    random.seed(1)
    with tempfile.TemporaryDirectory() as name, Crew() as crew:
        home = pathlib.Path(name)
        crew.processes.append(subprocess.Popen([build / "kube_stub", home / "kubeconfig", "serve", "m", "3"]))
        wait((home / "kubeconfig").exists)
        (home / "m.yaml").write_text("---\n".join(SPEC.format(i=i) for i in range(args.models)))
        with open(home / "log", "w") as log:
            run = subprocess.Popen([build / "tidegate", "run", "-f", home / "m.yaml", "--listen", "127.0.0.1:0",
                                    "--admin", "127.0.0.1:0", "--state", home / "state",
                                    "--keda-address", "127.0.0.1:0"],
                                   env=dict(os.environ, KUBECONFIG=str(home / "kubeconfig")),
                                   stdout=log, stderr=log)
        crew.processes.append(run)
        file = home / "state" / "run.json"
        wait(lambda: file.exists() and file.read_text().endswith("\n"))
        measure(args, run, build / "keda_client", json.loads(file.read_text()))


if __name__ == "__main__":
    main()
