#!/usr/bin/env python3
"""The gateway beside HAProxy and nginx: the same upstream, the same load, the same run.

    cmake -S . -B build -DTIDEGATE_BENCH=ON && ninja -C build tidegate bench_upstream bench_client
    bench/gateway/compare.py --build build                       # all cases
    bench/gateway/compare.py --build build --case sse --rounds 5

What is under test is `tidegate run` with an `endpoints` target, as shipped: routing, queueing,
probes, scrapes and journal on. HAProxy and nginx are plain proxies, one thread each. Rounds are
short and send the case's load to every proxy in turn, there and back, so that a busy machine
troubles all alike; what counts is the ratio of the proxies' CPU seconds in one round, of which the
quartiles are told.
Prints JSON; takes about (proxies x rounds x seconds) a case; everything it started ends with it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from processes import Crew, cpu_seconds, emit, free_port, wait_for_port  # noqa: E402

# case -> (client mode, rate or streams, what is counted)
CASES = {
    "json": ("json", 8000, "requests"),
    "sse": ("sse", 256, "events"),
    "long": ("long", 80, "requests"),
}
CHUNKS, PERIOD_MS = 100, 20  # of a stream

SPEC = """apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: m}}
spec:
  scaling: {{mode: observe}}
  variants:
    - name: pool
      minReplicas: 1
      maxReplicas: 1
      engine: {{maxNumSeqs: 512}}
      target: {{endpoints: ["http://127.0.0.1:{upstream}"]}}
"""

# Without http-no-delay HAProxy sends with MSG_MORE: the kernel then holds a stream's chunks back
# for up to 220 ms, ten tokens at a time. That is cheap, and no relay of tokens: `haproxy-corked`.
NO_DELAY = "  option http-no-delay\n"

HAPROXY = """global
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
{no_delay}frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  server s 127.0.0.1:{upstream}
"""

NGINX = """daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/nginx.err;
events {{ worker_connections 2048; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_max_body_size 64m; client_body_buffer_size 1m; proxy_buffering off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
  uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  upstream b {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


def start_proxies(crew, build, directory, upstream, names):
    """name -> (pid or None, port); `direct` is no proxy at all."""
    proxies = {}
    for name in names:
        home = os.path.join(directory, name)
        os.mkdir(home)
        if name == "direct":
            proxies[name] = (None, upstream)
            continue
        if name == "tidegate":
            process, port, _ = crew.tidegate_run(build, home, SPEC.format(upstream=upstream))
        else:
            port = free_port()
            haproxy = name.startswith("haproxy")
            text = HAPROXY if haproxy else NGINX
            config = os.path.join(home, "config")
            with open(config, "w") as f:
                f.write(text.format(port=port, upstream=upstream, dir=home,
                                    no_delay=NO_DELAY if name == "haproxy" else ""))
            command = (["haproxy", "-db", "-f", config] if haproxy
                       else ["nginx", "-p", home, "-c", config])
            process = crew.start(command)
        wait_for_port(port, process)
        proxies[name] = (process.pid, port)
    return proxies


def load(build, port, mode, rate, seconds):
    out = subprocess.run([os.path.join(build, "bench_client"), str(port), mode, str(rate),
                          str(seconds)], capture_output=True, text=True, timeout=seconds + 60)
    if out.returncode != 0:
        raise SystemExit(f"bench_client {mode} on {port}: {out.stderr}")
    return json.loads(out.stdout)


def measure(build, proxy, mode, rate, seconds, counted):
    pid, port = proxy
    before = cpu_seconds(pid) if pid else 0
    result = load(build, port, mode, rate, seconds)
    result["cpuSeconds"] = round(cpu_seconds(pid) - before, 4) if pid else 0
    if pid:
        result["perCpuSecond"] = round(result[counted] / max(result["cpuSeconds"], 1e-4))
    return result


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"q1": round(low, 3), "median": round(middle, 3), "q3": round(high, 3)}


def compare(args, case, proxies):
    mode, rate, counted = CASES[case]
    rate = args.rate or rate
    rounds = []
    for number in range(args.rounds):
        order = list(proxies) if number % 2 == 0 else list(proxies)[::-1]
        rounds.append({name: measure(args.build, proxies[name], mode, rate, args.seconds, counted)
                       for name in order})
        print(f"{case} {number + 1}/{args.rounds}: {rounds[-1]}", file=sys.stderr)
    summary = {"case": case, "counted": counted, "rate": rate, "rounds": args.rounds}
    for name in proxies:
        rows = [r[name] for r in rounds]
        keys = ["p50", "p99", "failed"] + ([] if name == "direct" else ["perCpuSecond"])
        summary[name] = {key: median(rows, key) for key in keys}
    if "tidegate" in proxies:
        summary["tidegateRatioTo"] = {
            other: quartiles([r["tidegate"]["perCpuSecond"] / r[other]["perCpuSecond"]
                              for r in rounds])
            for other in proxies if other not in ("tidegate", "direct")}
    if "direct" in proxies and mode == "json":
        for name in set(proxies) - {"direct"}:
            for q in ("p50", "p99"):
                added = statistics.median(r[name][q] - r["direct"][q] for r in rounds)
                summary[name][f"added_{q}_seconds"] = round(added, 6)
    return summary


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="folder with tidegate and the helpers")
    parser.add_argument("--case", choices=list(CASES), action="append")
    parser.add_argument("--proxies", default="direct,tidegate,haproxy,nginx,haproxy-corked")
    parser.add_argument("--rate", type=int, help="requests a second, or streams")
    parser.add_argument("--rounds", type=int, default=12, help="at least 2")
    parser.add_argument("--seconds", type=float, default=1)
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    with tempfile.TemporaryDirectory() as directory, Crew() as crew:
        upstream = crew.start([os.path.join(args.build, "bench_upstream"), str(CHUNKS),
                               str(PERIOD_MS)], stdout=subprocess.PIPE, text=True)
        port = int(upstream.stdout.readline())
        proxies = start_proxies(crew, args.build, directory, port, args.proxies.split(","))
        time.sleep(2)  # the first probe makes the replica ready
        emit([compare(args, case, proxies) for case in args.case or CASES])


if __name__ == "__main__":
    main()
