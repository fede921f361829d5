#!/usr/bin/env python3
"""`tidegate run --external-metrics-address`, end to end: an HPA's part played over TLS as the API
server's front proxy passes it on, on the cluster of kube_e2e_test.py.

  tests/hpa_e2e_test.py TIDEGATE KUBE_STUB [unittest arguments]
"""
import contextlib
import http.client
import json
import math
import pathlib
import shutil
import ssl
import subprocess
import sys
import threading
import time
import unittest
import urllib.parse
import urllib.request

import e2e_test
import kube_e2e_test
from e2e_test import Run, until

GROUP = "/apis/external.metrics.k8s.io/v1beta1"
# Whoever is in this group may do anything: no review is asked for.
HPA = {"X-Remote-User": "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
       "X-Remote-Group": "system:masters"}


@unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificates")
class Hpa(kube_e2e_test.OnCluster):
    def setUp(self):
        super().setUp()
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        self.openssl("req", "-x509", *key, "-keyout", "proxy-ca.key", "-out", "proxy-ca.crt", "-days", "2",
                     "-subj", "/CN=front-proxy-ca")
        self.openssl("req", *key, "-keyout", "proxy.key", "-out", "proxy.csr", "-subj", "/CN=front-proxy-client")
        self.openssl("x509", "-req", "-in", "proxy.csr", "-CA", "proxy-ca.crt", "-CAkey", "proxy-ca.key",
                     "-CAcreateserial", "-out", "proxy.crt", "-days", "2")
        if not kube_e2e_test.REAL:  # that one has a token already
            self.kubeconfig.write_text(self.kubeconfig.read_text()
                                       .replace("namespace: serve", "namespace: serve, user: u")
                                       + "users: [{name: u, user: {token: a-pods-own}}]\n")
        self.create("/api/v1/namespaces/kube-system/configmaps", {
            "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"},
            "data": {"requestheader-client-ca-file": (self.dir / "proxy-ca.crt").read_text(),
                     "requestheader-allowed-names": '["front-proxy-client"]',
                     "requestheader-username-headers": '["X-Remote-User"]',
                     "requestheader-group-headers": '["X-Remote-Group"]',
                     "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]'}})

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.dir, check=True, capture_output=True)

    def create(self, path, what):
        request = urllib.request.Request(self.api + path, json.dumps(what).encode(),
                                         {"Content-Type": "application/json"})
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        urllib.request.urlopen(request, timeout=e2e_test.WAIT, context=self.trust).close()

    def run_it(self, mode="observe", name=".", flags=()):
        home = self.dir / name
        home.mkdir(exist_ok=True)
        yaml = kube_e2e_test.spec(self.port).replace("scaling: {", f"scaling: {{mode: {mode}, ")
        run = Run(home, yaml, flags=["--external-metrics-address", "127.0.0.1:0", *flags])
        self.runs.append(run)
        run.start()
        until(lambda: self.get(run, "/readyz", shows=False)[0] == 200, "external metrics ready", alive=run.process)
        return run

    def get(self, run, path, headers=None, shows=True):
        """With the front proxy's certificate, or without."""
        # The server's certificate is its own CA, and stands for the address.
        context = ssl.create_default_context(cafile=run.dir / "state" / "external-metrics.crt")
        if shows:
            context.load_cert_chain(self.dir / "proxy.crt", self.dir / "proxy.key")
        host, port = run.info["externalMetrics"].split(":")
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=e2e_test.WAIT)
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def metric(self, run, name="tidegate_desired_replicas", selector="model=m,variant=pods"):
        query = urllib.parse.urlencode({"labelSelector": selector})
        return self.get(run, f"{GROUP}/namespaces/serve/{name}?{query}", HPA)

    def hpa_step(self, run):
        """What the controller does with target AverageValue 1 and no windows; None: it holds."""
        status, body = self.metric(run)
        items = json.loads(body)["items"] if status == 200 else []
        if not items:
            return None
        wanted = math.ceil(sum(int(i["value"][:-1]) / 1000 if i["value"].endswith("m") else int(i["value"])
                               for i in items))
        if self.scale() != wanted:
            self.scale(wanted)
        return wanted

    def test_an_hpa_takes_the_fleet_from_zero_and_back_as_tidegate_decides(self):
        run = self.run_it()
        until(lambda: self.hpa_step(run) == 0, "a decision for nothing to do")
        answers = []
        client = threading.Thread(target=lambda: answers.append(self.ask(run)))
        client.start()
        until(lambda: self.hpa_step(run) == 1, "one replica decided for the request that waits")
        client.join(e2e_test.WAIT)
        self.assertEqual(answers, [200], run.tail())
        self.assertEqual(self.scale(), 1)
        _, page = self.metric(run, "wva_desired_replicas", "variant_name=m,exported_namespace=serve")
        self.assertEqual(json.loads(page)["items"][0]["metricLabels"]["namespace"], "serve")
        with urllib.request.urlopen(f"http://{run.info['admin']}/metrics") as metrics:
            series = [line.split(" ")[0] for line in metrics.read().decode().splitlines()]
            self.assertIn('wva_desired_replicas{namespace="serve",variant_name="m"}',
                          [one for one in series if one.startswith("wva_")])
        until(lambda: self.hpa_step(run) == 0 and self.scale() == 0, "back to zero after scaleDownDelay")

    def items(self, run):
        status, body = self.metric(run)
        return [int(item["value"]) for item in json.loads(body)["items"]] if status == 200 else status

    def ask_a_leader_that_dies(self, run):
        with contextlib.suppress(OSError):
            self.ask(run)

    def test_whichever_of_two_is_asked_answers_what_the_leader_decides(self):
        leader = self.run_it(name="a", flags=["--leader-elect"])
        until(lambda: self.items(leader) == [0], "the first leads", alive=leader.process)
        follower = self.run_it(name="b", flags=["--leader-elect"])
        until(lambda: self.items(follower) == [0], "the other passes its number on", alive=follower.process)
        waits = threading.Thread(target=self.ask_a_leader_that_dies, args=(leader,), daemon=True)
        waits.start()
        until(lambda: self.items(leader) == [1], "a request waits at the leader")
        self.assertEqual(self.items(follower), [1], "who sees no request answers the same")
        path = f"{GROUP}/namespaces/serve/tidegate_desired_replicas"
        self.assertEqual(self.get(follower, path, HPA, shows=False)[0], 401, "and lets in nobody else")
        self.assertEqual(self.get(follower, path)[0], 401)
        page = lambda run: urllib.request.urlopen(f"http://{run.info['admin']}/metrics").read().decode()
        self.assertIn('tidegate_desired_replicas{model="m"', page(leader))
        self.assertNotIn('desired_replicas{', page(follower), "one series of a variant, the leader's")
        killed = time.monotonic()
        leader.kill()
        self.assertEqual(self.items(follower), 503, "no leader, no number")
        self.assertEqual(self.get(follower, GROUP, HPA)[0], 200, "still a server of external metrics")
        said = [503]

        def leads():
            said.append(self.items(follower))
            return isinstance(said[-1], list) and said[-1]
        until(leads, "the follower leads and has decided", alive=follower.process)
        print(f"leader killed to the next number: {time.monotonic() - killed:.1f} s", file=sys.stderr)
        self.assertLessEqual({str(one) for one in said[:-1]}, {"503", "[]"})
        self.assertIn("this process leads", follower.tail())
        waits.join(e2e_test.WAIT)

    def test_a_fleet_that_tidegate_scales_itself_is_no_hpas(self):
        run = self.run_it(mode="auto")
        status, body = until(lambda: (lambda a: a if a[0] == 409 else None)(self.metric(run)), "the refusal")
        self.assertIn("mode: observe", json.loads(body)["message"])

    def test_only_callers_the_cluster_knows_are_answered(self):
        run = self.run_it()
        path = f"{GROUP}/namespaces/serve/tidegate_desired_replicas"
        self.assertEqual(self.get(run, path, HPA, shows=False)[0], 401)
        self.assertEqual(self.get(run, path)[0], 401)
        self.assertEqual(self.get(run, "/healthz", shows=False), (200, "ok"))
        status, body = self.get(run, GROUP, HPA)
        self.assertEqual((status, json.loads(body)["kind"]), (200, "APIResourceList"))


if __name__ == "__main__":
    e2e_test.BINARY, kube_e2e_test.STUB = (str(pathlib.Path(arg).resolve()) for arg in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
