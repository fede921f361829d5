#!/usr/bin/env python3
"""Controller and gateways as processes of their own, on one machine, with emulated engines.

  tests/roles_e2e_test.py BINARY [unittest arguments]

Time is pressed (--time-scale), ports are free ones, nothing is left running.
"""
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import unittest
import urllib.request

import e2e_test
from e2e_test import Case, Run, alive, engine_pids, get, post, spec, until

ASK = {"model": "m", "prompt": "x " * 50, "max_tokens": 5}


class Roles(Case):
    def setUp(self):
        super().setUp()
        with socket.socket() as free:  # a controller that comes back is sought where it was
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def part(self, name, yaml, *flags):
        directory = self.dir / name
        directory.mkdir(exist_ok=True)
        run = Run(directory, yaml, flags=flags)
        self.runs.append(run)
        return run.start()

    def controller(self, yaml, *flags):
        return self.part("controller", yaml, "--role", "controller", "--gateway-address",
                         f"127.0.0.1:{self.port}", *flags)

    def gateway(self, name, yaml, *flags):
        return self.part(name, yaml, "--role", "gateway", "--leader", f"127.0.0.1:{self.port}", *flags)

    def gateways_of(self, controller):
        answer = get(f"http://{controller.info['admin']}/api/v1/status")
        return {g["name"]: g["connected"] for g in answer["gateways"]}

    def leader_of(self, gateway):
        return get(f"http://{gateway.info['admin']}/api/v1/status")["leader"]

    def assert_answers(self, gateway, times=3):
        for _ in range(times):
            code, text, headers = post(gateway.url("/v1/completions"), ASK)
            self.assertEqual(code, 200, text)
            self.assertEqual(headers["x-tidegate-outcome"], "completed")

    def test_requests_through_both_are_answered_and_counted_as_one(self):
        yaml = spec(min=1)
        controller = self.controller(yaml)
        a, b = self.gateway("a", yaml), self.gateway("b", yaml)
        until(lambda: list(self.gateways_of(controller).values()) == [True, True], "two gateways")
        controller.ready(1)
        self.assert_answers(a, 5)
        self.assert_answers(b, 4)
        until(lambda: controller.status()["finishedTotal"] == 9, "nine in the sum")
        for gateway, n in ((a, 5), (b, 4)):
            self.assertEqual(gateway.status()["outcomes"]["completed"], n)
            page = urllib.request.urlopen(f"http://{gateway.info['admin']}/metrics").read().decode()
            self.assertIn("tidegate_leader_connected 1", page)
            self.assertIn('tidegate_arrivals_total{model="m"} %d' % n, page)
            ready = urllib.request.urlopen(f"http://{gateway.info['admin']}/readyz").read().decode()
            self.assertEqual(ready, f"ok\nleader: 127.0.0.1:{self.port}\n")
        page = urllib.request.urlopen(f"http://{controller.info['admin']}/metrics").read().decode()
        self.assertIn('tidegate_gateways{state="connected"} 2', page)
        self.assertEqual(controller.cli("status").stdout.count(": connected"), 2)
        self.assertIn(f"leader 127.0.0.1:{self.port}", a.cli("status").stdout)
        self.assertEqual(a.stop(), 0)
        until(lambda: list(self.gateways_of(controller).values()) == [True], "one that ends says so")
        self.assertEqual(b.stop(), 0)
        self.assertNotIn("a gateway is lost", controller.tail())
        self.assertEqual(controller.stop(), 0)

    def test_at_zero_a_request_at_a_gateway_starts_an_engine(self):
        yaml = spec(min=0, scaling="{policy: concurrency, window: 30s, scaleDownDelay: 60s, "
                                   "concurrencyTarget: 8, environment: cost}")
        a = self.gateway("a", yaml)  # before there is a controller: it waits in the queue
        answers = []
        early = threading.Thread(target=lambda: answers.append(post(a.url("/v1/completions"), ASK)[0]))
        early.start()
        until(lambda: a.status()["queue"]["requests"] == 1, "it waits")
        self.assertFalse(self.leader_of(a)["connected"])
        controller = self.controller(yaml)
        early.join()
        self.assertEqual(answers, [200], controller.tail())
        self.assert_answers(self.gateway("b", yaml))
        until(lambda: controller.status()["variants"][0]["desired"] == 0, "back to zero, once both are idle")

    def test_a_gateway_killed_takes_no_one_else_with_it(self):
        yaml = spec(min=1, command='["tidegate", "engine", "--port", "{port}", "--fault", "hang-after=0"]')
        controller = self.controller(yaml)
        a, b = self.gateway("a", yaml), self.gateway("b", yaml)
        controller.ready(1)
        answered, body = [], dict(ASK, stream=True)
        streams = []
        for gateway in (a, b):
            thread = threading.Thread(target=lambda g=gateway: answered.append(self.outcome(g, body)),
                                      daemon=True)
            thread.start()
            streams.append(thread)
        until(lambda: controller.status()["inFlight"] == 2, "one through each hangs in the engine")
        engines = engine_pids(self.dir)
        b.kill()
        until(lambda: answered == ["broken"], "those of the killed one break")
        until(lambda: False in self.gateways_of(controller).values(), "the controller knows")
        self.assertTrue(streams[0].is_alive(), "those of the other go on")
        self.assertEqual(engine_pids(self.dir), engines)
        self.assertEqual(a.status()["inFlight"], 1)
        b.start()
        until(lambda: list(self.gateways_of(controller).values()) == [True, True],
              "back as another process, it has replaced itself")

    @staticmethod
    def outcome(gateway, body):
        try:
            return post(gateway.url("/v1/completions"), body)[0]
        except (OSError, ValueError):
            return "broken"

    def test_a_controller_killed_leaves_all_serving_and_its_next_one_takes_over(self):
        yaml = spec(min=2)
        controller = self.controller(yaml)
        a, b = self.gateway("a", yaml), self.gateway("b", yaml)
        controller.ready(2)
        until(lambda: len(a.status()["replicas"]) == 2 and len(b.status()["replicas"]) == 2, "both know both")
        self.assert_answers(a)
        before = sorted(engine_pids(self.dir))
        controller.kill()
        for gateway in (a, b):
            until(lambda g=gateway: not self.leader_of(g)["connected"], "it is missed")
            self.assert_answers(gateway)
            page = urllib.request.urlopen(f"http://{gateway.info['admin']}/metrics").read().decode()
            self.assertIn("tidegate_leader_connected 0", page)
            ready = urllib.request.urlopen(f"http://{gateway.info['admin']}/readyz").read().decode()
            self.assertIn("serving with its last replicas", ready)
        controller.start()
        status = controller.ready(2)
        for gateway in (a, b):
            until(lambda g=gateway: self.leader_of(g)["connected"], "it is found again")
            self.assert_answers(gateway)
        self.assertEqual(sorted(engine_pids(self.dir)), before, "none lost, none started twice")
        self.assertTrue(all(r["adopted"] for r in status["replicas"]))
        until(lambda: controller.status()["finishedTotal"] >= 6, "it counts what comes from now on")
        self.assertEqual(controller.status()["scaleUps"], 0, "no order was repeated")
        self.assertEqual(controller.stop(), 0)
        self.assertFalse(any(alive(pid) for pid in before))

    def authority(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                     "2", "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}", "-addext",
                     "subjectAltName=DNS:localhost")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.dir, check=True, capture_output=True)

    def file(self, name):
        return str(self.dir / name)

    @unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificates")
    def test_over_tls_with_certificates_of_both_and_who_shows_none_stays_out(self):
        for name in ("server", "client", "other"):
            self.authority(name)
        yaml = spec(min=1)
        controller = self.controller(yaml, "--gateway-tls-cert", self.file("server.crt"), "--gateway-tls-key",
                                     self.file("server.key"), "--gateway-tls-client-ca", self.file("client.crt"))
        own = ("--leader-tls-cert", self.file("client.crt"), "--leader-tls-key", self.file("client.key"))

        def gateway(name, *flags):
            return self.part(name, yaml, "--role", "gateway", "--leader", f"localhost:{self.port}", *flags)
        a = gateway("a", "--leader-tls-ca", self.file("server.crt"), *own)
        until(lambda: list(self.gateways_of(controller).values()) == [True], "one gateway", alive=a.process)
        controller.ready(1)
        self.assert_answers(a)
        for name, flags, says in (
                ("plain", (), "--leader-tls-ca"),
                ("nameless", ("--leader-tls-ca", self.file("server.crt")), "--leader-tls-cert"),
                ("misled", ("--leader-tls-ca", self.file("other.crt"), *own), "does not vouch for")):
            other = gateway(name, *flags)
            until(lambda: says in (self.leader_of(other)["trouble"] or ""), f"{name} is told why",
                  alive=other.process)
        self.assertEqual(len(self.gateways_of(controller)), 1)

    def test_wrong_words_are_refused_with_the_fix(self):
        token = self.dir / "token"
        token.write_text("s3cret\n")
        yaml = spec(min=1)
        controller = self.controller(yaml, "--gateway-token-file", str(token))
        a = self.gateway("a", yaml)
        until(lambda: "--gateway-token-file" in (self.leader_of(a)["trouble"] or ""), "it is told why")
        b = self.gateway("b", yaml, "--gateway-token-file", str(token))
        until(lambda: self.leader_of(b)["connected"], "with the token it is let in")
        self.assertEqual(len(self.gateways_of(controller)), 1)
        for run in (controller, a, b):
            self.assertNotIn("s3cret", (run.dir / "run.log").read_text())
        model = self.dir / "m.yaml"
        model.write_text(yaml)
        for flags, says in [
            (["--role", "gateway"], "--leader HOST:PORT is missing"),
            (["--role", "gateway", "--leader", "x:1", "--leader-elect"], "decides nothing"),
            (["--leader", "x:1"], "only a gateway"),
            (["--role", "controller", "--gateway-address", "0.0.0.0:0"], "a token is a must"),
            (["--role", "controller", "--gateway-token-file", "/no/such"], "/no/such"),
            (["--role", "controller", "--gateway-address", "0.0.0.0:0", "--gateway-token-file", str(token)],
             "off loopback gateways come over TLS: --gateway-tls-cert FILE"),
            (["--role", "gateway", "--leader", "controllers:1", "--gateway-token-file", str(token)],
             "off loopback a controller is reached over TLS: --leader-tls-ca FILE"),
            (["--role", "gateway", "--leader", "x:1", "--leader-tls-ca", "/no/such"], "--leader-tls-ca /no/such"),
            (["--role", "gateway", "--leader", "localhost:1", "--leader-tls-cert", str(token)],
             "need --leader-tls-ca"),
            (["--role", "gateway", "--leader", "x:1", "--gateway-tls-cert", str(token)], "has --leader-tls-*"),
            (["--role", "controller", "--leader-tls-ca", str(token)], "has --gateway-tls-*"),
            (["--role", "controller", "--gateway-plaintext", "--gateway-tls-cert", str(token)], "one of them"),
            (["--role", "controller", "--gateway-tls-cert", str(token)], "--gateway-tls-key is missing"),
            (["--gateway-plaintext"], "--role controller or gateway is missing"),
            (["--gateway-address", ":8083"], "or --leader-elect for several of all"),
            (["--leader-elect", "--gateway-address", ":8083"], "a token is a must"),
            (["--leader-elect", "--gateway-tls-cert", str(token)], "make certificates of their own"),
            (["--role", "controller", "--gateway-address", f"127.0.0.1:{self.port}", "--admin",
              "127.0.0.1:0", "--state", str(self.dir / "s")], "in use"),
        ]:
            done = subprocess.run([e2e_test.BINARY, "run", "-f", str(model), *flags],
                                  capture_output=True, text=True, timeout=60)
            self.assertNotEqual(done.returncode, 0, flags)
            self.assertIn(says, done.stderr, flags)


if __name__ == "__main__":
    e2e_test.BINARY = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main(verbosity=2)
