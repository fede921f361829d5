#!/usr/bin/env python3
"""Clients that reach the engines past Tidegate's gateway: what is sized, held and said then.

  tests/front_e2e_test.py BINARY [unittest arguments]
"""
import http.server
import pathlib
import sys
import threading
import unittest

import e2e_test as e2e

SCALE = 20
SCALING = "{policy: tide, window: 30s, scaleDownDelay: 2m}"


def trace_rows(seconds, rate=8):
    return [(i / rate, 300, 200) for i in range(int(seconds * rate))]


class Page(http.server.BaseHTTPRequestHandler):
    """An endpoint picker's metrics page with `server.queued` requests in its queue; None: broken.
    As llm-d's it wants a token."""

    def do_GET(self):
        if self.headers.get("Authorization") != "Bearer sesame":
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        queued = self.server.queued
        body = b"" if queued is None else (
            "# TYPE llm_d_epp_flow_control_queue_size gauge\n"
            f'llm_d_epp_flow_control_queue_size{{inference_pool="p",priority="0"}} {queued}\n').encode()
        self.send_response(500 if queued is None else 200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Front(e2e.Beside):
    def straight(self, run, seconds):
        """Open-loop load on the first engine itself, past the gateway."""
        trace = e2e.write_trace(self.dir / "t.csv", trace_rows(seconds))
        engine = next(r["address"] for r in run.status()["replicas"] if r["state"] == "ready")
        return self.start([e2e.BINARY, "load", "--url", f"http://{engine}", "--trace", str(trace),
                           "--time-scale", str(SCALE)])

    def test_behind_a_proxy_tide_sizes_by_what_the_engines_count(self):
        run = self.run_spec(e2e.spec(scaling=SCALING, extra="front: {by: proxy}"), scale=SCALE)
        run.ready(1)
        self.straight(run, 300)
        status = e2e.until(lambda: run.status()["variants"][0]["desired"] >= 2 and run.status(),
                           "more than the one engine that is full")
        self.assertEqual(status["arrivedTotal"], 0)
        self.assertEqual(status["strayRequests"], 0)
        told = e2e.until(lambda: "requests/s are expected" in (out := run.cli("explain", "m").stdout) and out,
                         "a forecast is explained")
        self.assertIn("one replica sustains", told)
        self.assertEqual(run.stop(), 0)

    def test_a_queue_in_front_starts_the_first_replica_and_its_loss_is_said(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        server.queued = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        token = self.dir / "token"
        token.write_text("sesame\n")
        front = (f'front: {{by: proxy, queueMetrics: "http://127.0.0.1:{server.server_port}/metrics", '
                 f'bearerTokenFile: "{token}"}}')
        run = self.run_spec(e2e.spec(scaling=SCALING, extra=front, min=0), scale=SCALE)
        e2e.until(lambda: run.status()["front"]["waitingRequests"] == 0, "the page is read")
        self.assertEqual(run.status()["variants"][0]["desired"], 0)
        server.queued = 5
        run.ready(1)
        server.queued = None
        e2e.until(lambda: run.status()["front"]["trouble"], "the broken page is noticed")
        self.assertIn("the queue in front is not known", run.cli("status").stdout)
        token.write_text("another")
        e2e.until(lambda: "may the token's account" in run.status()["front"]["trouble"], "the refusal is told")
        self.assertEqual(run.stop(), 0)

    def test_requests_that_nobody_of_ours_sent_hold_the_fleet(self):
        run = self.run_spec(e2e.spec(scaling=SCALING, min=0), scale=SCALE)
        e2e.post(run.url("/v1/completions"), {"model": "m", "prompt": "x", "max_tokens": 2})
        run.ready(1)
        self.straight(run, 400)
        e2e.until(lambda: run.status()["strayRequests"] > 0, "strays are noticed")
        self.assertIn("front: {by: proxy}", run.cli("status").stdout)
        end = run.status()["variants"][0]
        self.assertGreaterEqual(end["desired"], 1)
        self.assertEqual(self.processes[-1].wait(e2e.WAIT), 0, "the load ended")
        self.assertGreaterEqual(run.status()["variants"][0]["ready"], 1, "and its engine was there")
        self.assertEqual(run.stop(), 0)


if __name__ == "__main__":
    e2e.BINARY = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=2)
