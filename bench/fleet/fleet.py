#!/usr/bin/env python3
"""What `tidegate run --models-from-cluster` costs with a large fleet: every Model, Deployment and pod on an
API server, every pod's engine scraped.

  bench/fleet/fleet.py --build build [--models 1000] [--pods-each 10] [--seconds 60]
                       [--namespaces 1] [--policy concurrency] [--engines page|silent] [--page FILE]

Builds of tidegate, bench_cluster and bench_engines. CPU is user and system time of all of tidegate's
threads, memory its resident set: at a phase's end, and the peak within it. The API server and the
engines are processes of their own. `silent`: nothing listens where the engines are, for what
everything but scraping costs. The metrics page is that of an emulated engine, unless given.
"""
import argparse
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from processes import Crew, cpu_seconds, free_port, machine, wait_for_port

PATIENCE = 180  # seconds until all is ready


class Cluster:
    def __init__(self, crew, args, home, port):
        self.kubeconfig = home / "kubeconfig"
        self.process = subprocess.Popen(
            [args.build / "bench_cluster", self.kubeconfig, str(args.models), str(args.pods_each), str(port),
             str(args.namespaces), args.policy], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        crew.processes.append(self.process)
        while not self.kubeconfig.exists():
            time.sleep(0.05)

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def memory(pid, what):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split(what + ":")[1].split()[0]) / 1024


class Engines:
    """None where they are silent."""

    def __init__(self, crew, args, home):
        self.process = None
        if args.engines == "silent":
            self.port = free_port()
            return
        page = home / "page"
        page.write_bytes(engine_page(crew, args))
        print(f"a metrics page of {page.stat().st_size / 1000:.1f} KB", flush=True)
        self.process = subprocess.Popen([args.build / "bench_engines", page], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        crew.processes.append(self.process)
        self.port = int(self.process.stdout.readline())

    def pages(self):
        if self.process is None:
            return 0
        self.process.stdin.write("pages\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


class Phase:
    """CPU and memory of one process between the begin and the end of a `with` block."""

    def __init__(self, name, pid, cluster, engines, gateway=None):
        self.name, self.pid, self.cluster, self.engines, self.gateway = name, pid, cluster, engines, gateway
        self.each = []  # CPU seconds of each second
        self.answers = []  # seconds

    def __enter__(self):
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        self.cluster.ask("requests")
        self.pages = self.engines.pages()
        self.from_, self.cpu = time.monotonic(), cpu_seconds(self.pid)
        return self

    def spend(self, seconds):
        """Looks each second."""
        for _ in range(seconds):
            before, at = cpu_seconds(self.pid), time.monotonic()
            while time.monotonic() < at + 1:
                self.probe()
                time.sleep(0.02)
            self.each.append((cpu_seconds(self.pid) - before) / (time.monotonic() - at))

    def probe(self):
        """How long the loop is busy with other things: what a request feels that comes then."""
        if self.gateway is None:
            return
        at = time.monotonic()
        self.gateway.request("GET", "/v1/models/none")
        self.gateway.getresponse().read()
        self.answers.append(time.monotonic() - at)

    def answer_ms(self):
        seen = sorted(self.answers)
        return {name: round(1000 * seen[min(len(seen) - 1, int(len(seen) * part))], 1)
                for name, part in (("p50", 0.5), ("p99", 0.99), ("most", 1)) if seen}

    def __exit__(self, *_):
        wall, cpu = time.monotonic() - self.from_, cpu_seconds(self.pid) - self.cpu
        self.result = {"phase": self.name, "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2),
                       "core_percent": round(100 * cpu / wall, 1),
                       "core_percent_worst_second": round(100 * max(self.each, default=0), 1),
                       "memory_mb": round(memory(self.pid, "VmRSS")), "memory_peak_mb": round(memory(self.pid, "VmHWM")),
                       "scrapes_per_second": round((self.engines.pages() - self.pages) / wall),
                       "answer_ms": self.answer_ms(),
                       "requests": json.loads(self.cluster.ask("requests"))}
        print(json.dumps(self.result), flush=True)


def engine_page(crew, args):
    """As an emulated engine writes it, after a request."""
    if args.page:
        return args.page.read_bytes()
    port = free_port()
    engine = crew.start([args.build / "tidegate", "engine", "--port", str(port)])
    wait_for_port(port, engine)
    ask = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", method="POST",
                                 data=b'{"prompt": "x", "max_tokens": 2}', headers={"Content-Type": "application/json"})
    urllib.request.urlopen(ask, timeout=120).read()
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read()
    engine.terminate()
    return page


def run(crew, args, home, cluster):
    which = ["--all-namespaces"] if args.namespaces > 1 else ["--namespace", "serve-0"]
    with open(home / "log", "w") as log:
        process = subprocess.Popen([args.build / "tidegate", "run", "--models-from-cluster", *which, *args.tidegate,
                                    "--kubeconfig", cluster.kubeconfig, "--listen", "127.0.0.1:0",
                                    "--admin", "127.0.0.1:0", "--state", home / "state"],
                                   env=dict(os.environ, KUBECONFIG=str(cluster.kubeconfig)), stdout=log, stderr=log)
    crew.processes.append(process)
    return process


def gateway(home):
    file = home / "state" / "run.json"
    while not file.exists() or not file.read_text().endswith("\n"):
        time.sleep(0.01)
    return http.client.HTTPConnection(json.loads(file.read_text())["gateway"])


def until_settled(args, cluster, process):
    end = time.monotonic() + PATIENCE
    while (settled := int(cluster.ask("settled"))) < args.models:
        if process.poll() is not None:
            raise SystemExit(f"tidegate ended with {process.returncode}")
        if time.monotonic() > end:
            raise SystemExit(f"after {PATIENCE} s only {settled} of {args.models} Models have their pods ready")
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--pods-each", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--namespaces", type=int, default=1)
    parser.add_argument("--policy", default="concurrency")
    parser.add_argument("--engines", choices=["page", "silent"], default="page")
    parser.add_argument("--page", type=pathlib.Path)
    parser.add_argument("--keep", type=pathlib.Path, help="leave tidegate's log and state there")
    parser.add_argument("tidegate", nargs="*", help="more flags of tidegate run, after --")
    args = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    with tempfile.TemporaryDirectory() as name, Crew() as crew:
        home = args.keep or pathlib.Path(name)
        home.mkdir(exist_ok=True)
        engines = Engines(crew, args, home)
        cluster = Cluster(crew, args, home, engines.port)
        process = run(crew, args, home, cluster)

        def phase_of(name):
            return Phase(name, process.pid, cluster, engines, gateway(home))

        with phase_of("start"):
            until_settled(args, cluster, process)
        with phase_of("settling") as phase:
            phase.spend(30)
        with phase_of("steady") as phase:
            phase.spend(args.seconds)
        with phase_of("re-list") as phase:
            cluster.ask("relist")
            phase.spend(20)
        cluster.ask("quiet")
        with phase_of("quiet") as phase:
            phase.spend(args.seconds)
        ended = time.monotonic()
        process.terminate()
        process.wait(60)
        print(f"ended in {time.monotonic() - ended:.1f} s with {process.returncode}")


if __name__ == "__main__":
    main()
