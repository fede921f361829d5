#!/usr/bin/env python3
"""Prometheus as a source, end to end: emulated engines, a real Prometheus that scrapes them and Tidegate,
and three models over the same engines: one scrapes them itself, one has their signals from Prometheus,
one asks a query. They must decide the same, and the latter two must hold while Prometheus is gone.

  tests/prometheus_test.py TIDEGATE [unittest arguments]
"""
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import unittest
import urllib.parse

import e2e_test
from e2e_test import Beside, Run, get, until

PROMETHEUS = shutil.which("prometheus")
SCALE = 10
SEQS = 2  # of each engine: what is asked beyond it waits
TARGET = 2  # requests waiting per replica


def model(name, metric, extra="", sense=""):
    return f"""apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: {name}}}
spec:
  scaling:
    policy: hpa
    metrics: [{{{metric}, target: {TARGET}}}]
    behavior: {{scaleDown: {{stabilizationWindowSeconds: 0}}}}
  {extra}
  variants:
    - name: pool
      minReplicas: 1
      maxReplicas: 8
      engine: {{maxNumSeqs: {SEQS}}}
      {sense}
      target: {{endpoints: [ENGINES]}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@unittest.skipUnless(PROMETHEUS, "needs a prometheus binary")
class Source(Beside):
    def setUp(self):
        super().setUp()
        self.requests = []
        self.ports = [free_port(), free_port()]
        for port in self.ports:
            self.start([e2e_test.BINARY, "engine", "m", "--port", str(port), "--max-num-seqs", str(SEQS)])
            until(lambda: socket.create_connection(("127.0.0.1", port)).close() or True, "engine",
                  alive=self.processes[-1])
        self.port = free_port()
        self.targets = self.dir / "tidegate.json"
        self.targets.write_text("[]")
        (self.dir / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: engines
    static_configs: [{{targets: {json.dumps([f"127.0.0.1:{p}" for p in self.ports])}}}]
  - job_name: tidegate
    file_sd_configs: [{{files: [{self.targets}]}}]
""")
        self.prometheus = self.start_prometheus()

    def tearDown(self):
        for request in self.requests:
            request.close()
        super().tearDown()

    def start_prometheus(self, *flags):
        process = self.start([PROMETHEUS, f"--config.file={self.dir}/prometheus.yml",
                              f"--storage.tsdb.path={self.dir}/data",
                              f"--web.listen-address=127.0.0.1:{self.port}", *flags])
        until(lambda: socket.create_connection(("127.0.0.1", self.port)).close() or True, "prometheus",
              alive=process)
        return process

    def query(self, promql):
        url = f"http://127.0.0.1:{self.port}/api/v1/query?query={urllib.parse.quote(promql)}"
        return get(url)["data"]["result"]

    def run_models(self):
        ask = f"prometheus: {{url: 'http://127.0.0.1:{self.port}', interval: 5s, maxAge: 30s}}"
        query = 'sum(vllm:num_requests_waiting) + sum(tidegate_queue_requests{model="query"})'
        yaml = "---\n".join([
            model("direct", "signal: waiting"),
            model("page", "signal: waiting", ask, "sense: {from: prometheus, selector: 'job=\"engines\"'}"),
            model("query", f"promql: '{query}'", ask)])
        engines = ", ".join(f"http://127.0.0.1:{port}" for port in self.ports)
        run = Run(self.dir, yaml.replace("ENGINES", engines), scale=SCALE)
        self.runs.append(run)
        run.start()
        self.targets.write_text(json.dumps([{"targets": [run.info["admin"]]}]))
        return run

    def wait_in_engines(self, waiting):
        """So many requests wait in each engine, until told otherwise."""
        for request in self.requests:
            request.close()
        self.requests = []
        body = json.dumps({"model": "m", "prompt": "x", "max_tokens": 100000, "ignore_eos": True}).encode()
        for port in self.ports:
            for _ in range(SEQS + waiting if waiting else 0):
                request = socket.create_connection(("127.0.0.1", port))
                request.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                b"Content-Length: %d\r\n\r\n" % len(body) + body)
                self.requests.append(request)

    def models(self, run):
        return {m["model"]: m for m in get(f"http://{run.info['admin']}/api/v1/status")["results"]}

    def desired(self, run):
        return {name: m["variants"][0]["desired"] for name, m in self.models(run).items()}

    def all_desire(self, run, replicas):
        same = {name: replicas for name in ("direct", "page", "query")}
        try:
            until(lambda: self.desired(run) == same, f"{replicas} replicas")
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.desired(run)}\n{run.tail()}") from None

    def test_prometheus_decides_as_direct_scraping_does_and_its_outage_lowers_nothing(self):
        run = self.run_models()
        self.wait_in_engines(3)
        self.all_desire(run, 3)   # 2 engines x 3 waiting / TARGET
        self.wait_in_engines(6)
        self.all_desire(run, 6)
        page = self.models(run)["page"]
        self.assertEqual(page["prometheus"]["unknown"], [])
        self.assertEqual(page["variants"][0]["runningRequests"], 2 * SEQS)
        asked = self.models(run)["query"]["prometheus"]["metrics"][0]
        self.assertEqual(asked["value"], 12)
        self.assertLess(asked["ageSeconds"], 30)
        self.assertRegex(run.cli("explain", "query").stdout, r"scaling.metrics\[0\] +12  \(fresh, prometheus")

        self.prometheus.kill()
        self.prometheus.wait()
        self.wait_in_engines(0)
        until(lambda: self.desired(run)["direct"] == 1, "who scrapes goes down")
        for name in ("page", "query"):  # for good: nothing is known, and that is no zero
            until(lambda: self.unknown(run, name), f"{name} says that nothing is known")
            self.assertEqual(self.desired(run)[name], 6, run.tail())
            self.assertRegex(self.unknown(run, name), "onnect")  # Failed to connect, Connection refused
            self.assertRegex(run.cli("status").stdout, f"(?m)^{name}: .* is not known: .*onnect")
        self.assertIn("Prometheus was asked in vain", run.tail())

        self.prometheus = self.start_prometheus()
        self.all_desire(run, 1)
        self.wait_in_engines(4)
        self.all_desire(run, 4)
        self.assertEqual(self.models(run)["query"]["prometheus"]["unknown"], [])

    def unknown(self, run, name):
        """Why what a model decides by is not known; empty as long as it is."""
        seen = self.models(run)[name]
        known = [metric["value"] for metric in seen["prometheus"]["metrics"]] + (
            [seen["variants"][0]["runningRequests"]] if name == "page" else [])
        if any(value is not None for value in known):
            return ""
        return "; ".join(one["why"] for one in seen["prometheus"]["unknown"])

    def test_what_is_wrong_with_a_query_is_said(self):
        for promql, said in (("vllm:num_requests_waiting", r"gives 2 series, and one number is wanted; write sum\("),
                             ("sum(vllm:nothing_of_the_kind)", "finds no series: unknown, not zero"),
                             ("sum(vllm:num_requests_waiting", "HTTP 400: bad_data: .*unclosed"),
                             ("0 * sum(vllm:num_requests_waiting) / 0", "gives NaN")):
            until(lambda: len(self.query("vllm:num_requests_waiting")) == 2, "both engines scraped")
            yaml = model("query", f"promql: '{promql}'", f"prometheus: {{url: 'http://127.0.0.1:{self.port}'}}")
            run = Run(self.dir, yaml.replace("ENGINES", f"http://127.0.0.1:{self.ports[0]}"), scale=SCALE)
            self.runs.append(run)
            run.start()
            until(lambda: self.unknown(run, "query") not in ("", "not asked yet"), promql)
            self.assertRegex(self.unknown(run, "query"), said)
            run.kill()


    @unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificate")
    def test_over_tls_its_certificate_is_held_against_caFile(self):
        for name in ("own", "other"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                            "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2", "-subj",
                            "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                           cwd=self.dir, check=True, capture_output=True)
        (self.dir / "web.yml").write_text("tls_server_config: {cert_file: own.crt, key_file: own.key}")
        self.prometheus.kill()
        self.prometheus.wait()
        self.start_prometheus(f"--web.config.file={self.dir}/web.yml")
        for authority, said in (("other", "TLS: SSL certificate problem"), ("own", "")):
            ask = f"prometheus: {{url: 'https://127.0.0.1:{self.port}', caFile: {self.dir}/{authority}.crt}}"
            yaml = model("query", "promql: 'sum(vector(7))'", ask)
            run = Run(self.dir, yaml.replace("ENGINES", f"http://127.0.0.1:{self.ports[0]}"), scale=SCALE)
            self.runs.append(run)
            run.start()
            if said:
                until(lambda: said in self.unknown(run, "query"), said)
            else:
                until(lambda: self.models(run)["query"]["prometheus"]["metrics"][0]["value"] == 7, "an answer")
            run.kill()


if __name__ == "__main__":
    e2e_test.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
