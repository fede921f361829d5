#!/usr/bin/env python3
"""`tidegate run` with a Kubernetes target, end to end: the built binary, an API server with a cluster
behind it (kube_stub; with KUBEBUILDER_ASSETS that folder's etcd and kube-apiserver), emulated engines
at the pods' addresses.

  tests/kube_e2e_test.py TIDEGATE KUBE_STUB [unittest arguments]
"""
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import unittest
import urllib.request

import e2e_test
from e2e_test import Beside, Run, post, until

STUB = None
REAL = bool(os.environ.get("KUBEBUILDER_ASSETS"))
PODS = ["127.1.0.2", "127.1.0.3", "127.1.0.4"]  # as kube_stub gives them out


def spec(port):
    return f"""apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {{name: m}}
spec:
  slo: {{ttft: {{p99: 2s}}}}
  scaling: {{policy: concurrency, window: 30s, scaleDownDelay: 60s, concurrencyTarget: 4}}
  queue: {{maxRequests: 2000, maxWait: 600s}}
  variants:
    - name: pods
      minReplicas: 0
      maxReplicas: 3
      engine: {{profile: reference, maxNumSeqs: 8}}
      target: {{kubernetes: {{namespace: serve, name: m, port: {port}}}}}
"""


class TlsFront:
    """Ends TLS before a plain server; callers need a certificate of the authority `ca`."""

    def __init__(self, directory, to):
        self.dir, self.to = directory, to
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        for name in ("ca", "other"):
            self.openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2",
                         "-subj", f"/CN={name}")
        (directory / "names").write_text("subjectAltName=DNS:api.internal")
        for name in ("server", "client"):
            self.openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                         "-CAcreateserial", "-out", f"{name}.crt", "-days", "2", "-extfile", "names")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "server.crt", directory / "server.key")
        self.context.load_verify_locations(directory / "ca.crt")
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.dir, check=True, capture_output=True)

    def serve(self):
        while True:
            try:
                caller, _ = self.listener.accept()
            except OSError:
                return  # closed: the test is over
            threading.Thread(target=self.relay, args=(caller,), daemon=True).start()

    def relay(self, caller):
        try:
            caller = self.context.wrap_socket(caller, server_side=True)
            server = socket.create_connection(self.to)
        except OSError:  # ssl.SSLError too
            return
        threading.Thread(target=self.pump, args=(caller, server), daemon=True).start()
        self.pump(server, caller)

    @staticmethod
    def pump(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
        except OSError:
            pass
        to.close()


class OnCluster(Beside):
    def setUp(self):
        super().setUp()
        self.kubeconfig = self.dir / "kubeconfig"
        self.start([STUB, str(self.kubeconfig), "serve", "m", "3"])
        until(self.kubeconfig.exists, "kubeconfig", alive=self.processes[0])
        config = self.kubeconfig.read_text()
        self.api = re.search(r'server: "(.*?)"', config).group(1)
        self.trust, self.token = None, None
        if REAL:
            authority = re.search(r'certificate-authority-data: "(.*?)"', config).group(1)
            self.trust = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
            self.token = re.search(r"token: (\w+)", config).group(1)
        os.environ["KUBECONFIG"] = str(self.kubeconfig)
        self.port = self.start_engines(PODS)

    def tearDown(self):
        super().tearDown()
        del os.environ["KUBECONFIG"]

    def run_it(self):
        run = Run(self.dir, spec(self.port))
        self.runs.append(run)
        return run.start()

    def object(self, path, change=None):
        """Reads, or merges a change."""
        request = urllib.request.Request(self.api + path)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if change is not None:
            request.method = "PATCH"
            request.data = json.dumps(change).encode()
            request.add_header("Content-Type", "application/merge-patch+json")
        with urllib.request.urlopen(request, timeout=e2e_test.WAIT, context=self.trust) as answer:
            return json.loads(answer.read())

    def scale(self, replicas=None):
        """Reads, or writes as somebody else would."""
        change = None if replicas is None else {"spec": {"replicas": replicas}}
        return self.object("/apis/apps/v1/namespaces/serve/deployments/m/scale", change)["spec"].get("replicas", 0)

    def pods(self):
        return [pod["metadata"] for pod in self.object("/api/v1/namespaces/serve/pods")["items"]]

    def ask(self, run):
        return post(run.url("/v1/completions"), {"model": "m", "prompt": "x", "max_tokens": 2})[0]


class Kubernetes(OnCluster):
    def test_a_request_scales_a_deployment_from_zero_and_is_answered_by_its_pod(self):
        run = self.run_it()
        self.assertEqual(self.scale(), 0)
        self.assertEqual(self.ask(run), 200, run.tail())
        self.assertGreaterEqual(self.scale(), 1)
        until(lambda: self.scale() == 0, "back to zero after scaleDownDelay")

    def test_the_operators_number_is_written_and_another_writers_is_seen(self):
        run = self.run_it()
        run.cli("pause", "m")
        run.cli("scale", "m", "2")
        until(lambda: self.scale() == 2, "two replicas written")
        run.ready(2)
        self.scale(3)
        until(lambda: "written by somebody else" in run.tail(), "foreign write in the log")
        run.ready(3)
        self.assertEqual(self.scale(), 3, "paused: theirs stands")

    def test_without_its_api_server_it_goes_on_serving_and_leaves_the_fleet_when_it_stops(self):
        run = self.run_it()
        run.cli("pause", "m")
        run.cli("scale", "m", "1")
        run.ready(1)
        self.processes[0].send_signal(signal.SIGKILL)
        self.processes[0].wait()
        self.assertEqual(self.ask(run), 200, run.tail())
        self.assertEqual(run.status()["variants"][0]["ready"], 1)
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.process.wait(e2e_test.WAIT), 0)

    @unittest.skipIf(REAL, "TLS of our own in front of plain HTTP: not on a real API server")
    @unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificates")
    def test_over_tls_with_a_client_certificate_and_what_is_wrong_with_one_is_said(self):
        host, port = self.api.removeprefix("http://").split(":")
        front = TlsFront(self.dir, (host, int(port)))
        self.addCleanup(front.listener.close)
        own = "client-certificate: client.crt, client-key: client.key"
        for authority, name, user, said in (
                ("other", "api.internal", own, "TLS: SSL certificate problem"),
                ("ca", "wrong.internal", own, "does not match|no alternative certificate subject name"),
                ("ca", "api.internal", "token: x", "certificate required"),
                ("ca", "api.internal", own, "replica ready")):
            self.kubeconfig.write_text(
                f"current-context: c\n"
                f"clusters: [{{name: c, cluster: {{server: 'https://127.0.0.1:{front.port}', "
                f"certificate-authority: {authority}.crt, tls-server-name: {name}}}}}]\n"
                f"contexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
                f"users: [{{name: u, user: {{{user}}}}}]\n")
            run = self.run_it()
            run.cli("scale", "m", "1")
            until(lambda: re.search(said, run.tail()), said, alive=run.process)
            run.kill()


class Several(OnCluster):
    """Processes of one Lease, each with a gateway and a controller."""

    def part(self, name, *flags):
        (self.dir / name).mkdir(exist_ok=True)
        run = Run(self.dir / name, spec(self.port), flags=["--leader-elect", "--lease-namespace", "serve", *flags])
        self.runs.append(run)
        return run.start()

    @staticmethod
    def whole(run):
        return e2e_test.get(f"http://{run.info['admin']}/api/v1/status")

    def connected(self, leader):
        return [gateway["connected"] for gateway in self.whole(leader).get("gateways", [])]

    def asks(self, run, times, tokens, answers):
        """So many clients; each asks until one is refused a connection, or told to stop."""
        def client():
            while not self.enough.is_set():
                try:
                    answers.append(post(run.url("/v1/completions"), {"model": "m", "prompt": "x", "max_tokens": tokens})[0])
                except OSError:
                    return answers.append("broken")
        threads = [threading.Thread(target=client, daemon=True) for _ in range(times)]
        for thread in threads:
            thread.start()
        return threads

    def test_a_leader_killed_takes_only_its_own_connections_and_the_fleet_is_sized_for_all(self):
        self.enough = threading.Event()
        self.addCleanup(self.enough.set)
        first = self.part("first")
        until(lambda: self.connected(first) == [True], "it leads, and hears its own gateway", alive=first.process)
        second = self.part("second")
        until(lambda: self.connected(first) == [True, True], "and the other's", alive=second.process)
        by_first, by_second, held = [], [], []
        self.asks(first, 4, 60, by_first)
        threads = self.asks(second, 4, 60, by_second)
        # Four in flight want two replicas of four at 70 %; eight want three.
        until(lambda: self.scale() == 3, "replicas for the requests of both")
        for run in (first, second):
            until(lambda r=run: r.status()["replicas"][0]["credit"] > 0, "each has a share")
        until(lambda: first.status()["finishedTotal"] > len(by_first) + 20, "the leader counts both")
        long = threading.Thread(target=lambda: held.append(post(second.url("/v1/completions"), {
            "model": "m", "prompt": "x", "max_tokens": 1000})[0]), daemon=True)
        long.start()
        before = len(by_second)
        first.kill()
        until(lambda: "broken" in by_first, "those of the killed one break")
        until(lambda: "this process leads" in second.tail(), "the other takes over", alive=second.process)
        self.assertGreater(len(by_second), before, "it answered meanwhile")
        threads += self.asks(second, 4, 60, by_second)  # who came to the first comes to it now
        until(lambda: self.connected(second) == [True], "it hears itself")
        began = second.status()["finishedTotal"]
        until(lambda: second.status()["finishedTotal"] > began + 20, "and counts on")
        self.assertEqual(self.scale(), 3, "nothing fell")
        first = self.part("first")
        until(lambda: self.whole(first)["leader"]["connected"], "it comes back as one that follows", alive=first.process)
        self.assertEqual(self.ask(first), 200, first.tail())
        self.enough.set()
        for thread in (*threads, long):
            thread.join()
        self.assertEqual(set(by_second + held), {200}, second.tail())
        self.assertEqual(second.status()["scaleDowns"], 0)

    def test_off_loopback_by_a_token_and_a_certificate_that_stands_in_the_lease(self):
        token, other = self.dir / "token", self.dir / "other"
        token.write_text("s3cret")
        other.write_text("an0ther")
        first = self.part("first", "--gateway-address", "0.0.0.0:0", "--gateway-token-file", str(token))
        until(lambda: self.connected(first) == [True], "it leads", alive=first.process)
        lease = self.object("/apis/coordination.k8s.io/v1/namespaces/serve/leases/tidegate")
        notice = lease["metadata"]["annotations"]["tidegate.dev/leader"]
        self.assertIn("BEGIN CERTIFICATE", notice)
        for secret in ("s3cret", "PRIVATE KEY"):
            self.assertNotIn(secret, notice)
        second = self.part("second", "--gateway-address", "0.0.0.0:0", "--gateway-token-file", str(token))
        until(lambda: self.connected(first) == [True, True], "who knows the token is heard", alive=second.process)
        third = self.part("third", "--gateway-address", "0.0.0.0:0", "--gateway-token-file", str(other))
        until(lambda: "--gateway-token-file differs" in (self.whole(third)["leader"]["trouble"] or ""), "who does not is told")
        self.assertEqual(len(self.connected(first)), 2)


class WarmPool(OnCluster):
    """Pods whose engines have the routes of sleep."""

    def setUp(self):
        self.addCleanup(lambda: [os.environ.pop(key, None) for key in self.ENGINE])
        os.environ.update(self.ENGINE)
        super().setUp()

    ENGINE = {"VLLM_SERVER_DEV_MODE": "1", "TIDEGATE_ENGINE_SLEEP_MODE": "1"}

    def run_it(self):
        text = spec(self.port).replace("minReplicas: 0", "minReplicas: 1")
        run = Run(self.dir, text + """      costPerHour: 4
      coldStart: {engine: 60s, wakeLevel1: 1s}
      warmPool: {minReplicas: 1, maxReplicas: 1, costPerHour: 1}
""")
        self.runs.append(run)
        return run.start()

    def marked(self):
        return [pod["name"] for pod in self.pods() if "tidegate.dev/sleeping" in pod.get("annotations", {})]

    def awake_and_asleep(self, run, awake, asleep):
        def there():
            variant = run.status()["variants"][0]
            return (variant["ready"], variant["sleeping"]) == (awake, asleep)
        until(there, f"{awake} awake and {asleep} asleep", alive=run.process)

    def test_a_pod_sleeps_outlives_a_kill_and_is_woken_in_one_call(self):
        run = self.run_it()
        self.awake_and_asleep(run, 1, 1)
        self.assertEqual(self.scale(), 2, "who sleeps counts")
        sleeper, = self.marked()
        labels = {pod["name"]: pod["labels"] for pod in self.pods()}
        self.assertEqual(labels[sleeper]["tidegate.dev/awake"], "false")
        self.assertEqual(self.ask(run), 200, run.tail())
        run.kill()
        run = self.run_it()
        self.awake_and_asleep(run, 1, 1)
        self.assertEqual(self.marked(), [sleeper], "found as it was")
        run.cli("pause", "m")
        run.cli("scale", "m", "2")
        self.awake_and_asleep(run, 2, 0)
        self.assertEqual(self.scale(), 2, "no other was started")
        until(lambda: not self.marked(), "the marks go")
        status = json.dumps(run.status())
        self.assertIn("sleeping", status)
        for _ in range(4):
            self.assertEqual(self.ask(run), 200, run.tail())
        run.cli("resume", "m")
        self.awake_and_asleep(run, 1, 1)


class ClusterRun(Run):
    """A run that takes its Models from the cluster."""

    def start(self):
        state = self.dir / "state"
        with open(self.dir / "run.log", "ab") as log:
            self.process = subprocess.Popen(
                [e2e_test.BINARY, "run", "--models-from-cluster", "--listen", "127.0.0.1:0", "--admin",
                 "127.0.0.1:0", "--state", str(state), "--time-scale", str(self.scale), *self.flags],
                cwd=self.dir, stdout=log, stderr=log)
        self.info = until(lambda: self._info(state), "run.json", alive=self.process)
        return self

    def ready(self, n):
        until(lambda: e2e_test.get(f"http://{self.info['admin']}/api/v1/status")["results"], "the Models are listed")
        return super().ready(n)


class Operator(OnCluster):
    MODELS = "/apis/tidegate.dev/v1alpha1/namespaces/serve/models"

    def setUp(self):
        super().setUp()
        if not shutil.which("kubectl"):
            self.skipTest("kubectl writes the definition and the Models")
        crd = subprocess.run([e2e_test.BINARY, "schema", "--crd"], capture_output=True, check=True, text=True)
        self.kubectl("apply", "--validate=false", "-f", "-", text=crd.stdout)
        until(lambda: self.kubectl("get", "models", check=False).returncode == 0, "the kind is served")

    def kubectl(self, *args, text=None, check=True):
        done = subprocess.run(["kubectl", *args], input=text, capture_output=True, text=True, timeout=e2e_test.WAIT)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {args}: {done.stderr}")
        return done

    def apply(self, text, check=True):
        return self.kubectl("apply", "--validate=false", "-f", "-", text=text, check=check)

    def model(self):
        return json.loads(self.kubectl("get", "model", "m", "-o", "json").stdout)

    def condition(self, name):
        found = [c for c in self.model().get("status", {}).get("conditions", []) if c["type"] == name]
        return (found[0]["status"], found[0]["reason"]) if found else None

    def events(self):
        listed = json.loads(self.kubectl("get", "events.events.k8s.io", "-o", "json").stdout)["items"]
        return {e["reason"]: e for e in listed if e["regarding"]["kind"] == "Model"}

    def own(self, **changes):
        """The Model, its target in its own namespace."""
        text = spec(self.port).replace("namespace: serve, ", "")
        for key, value in changes.items():
            text = re.sub(rf"{key}: \S+", f"{key}: {value}", text)
        return text

    def run_it(self, *flags):
        run = ClusterRun(self.dir, "", flags=flags)
        self.runs.append(run)
        return run.start()

    def test_a_model_is_run_changed_refused_paused_and_let_go(self):
        run = self.run_it()
        self.apply(self.own(minReplicas=1))
        run.ready(1)
        self.assertEqual(self.ask(run), 200, run.tail())
        until(lambda: self.condition("Ready") == ("True", "AsDesired"), "ready, says the status")
        self.assertEqual(self.model()["status"]["replicas"], "1/1")
        until(lambda: "ScaleUp" in {e["action"] for e in self.events().values()}, "an Event of it")

        refused = self.apply(self.own(minReplicas=9), check=False)
        self.assertIn("minReplicas is above maxReplicas", refused.stderr)
        self.apply(self.own(minReplicas=2))
        run.ready(2)
        self.assertEqual(self.scale(), 2)

        self.apply(self.own(minReplicas=1).replace("name: m, port", "namespace: other, name: m, port"))
        until(lambda: self.condition("SpecValid") == ("False", "Invalid"), "what the API cannot see is said")
        self.assertEqual(self.events()["Invalid"]["type"], "Warning")
        self.assertEqual(self.scale(), 2, "the spec before is in force")
        self.apply(self.own(minReplicas=2))
        until(lambda: self.condition("SpecValid") == ("True", "Accepted"), "mended")

        self.kubectl("annotate", "model", "m", "tidegate.dev/paused=true")
        until(lambda: self.condition("Paused") == ("True", "Paused"), "paused")
        self.scale(3)
        until(lambda: "ForeignWrite" in self.events(), "another writer is an Event")
        self.assertEqual(self.scale(), 3, "paused: theirs stands")

        self.kubectl("delete", "model", "m")
        until(lambda: not self.all_models(run), "not run any more")
        self.assertEqual(self.scale(), 3, "the fleet is left as it was")
        run.process.send_signal(signal.SIGTERM)
        self.assertEqual(run.process.wait(e2e_test.WAIT), 0)

    def test_kubectl_get_models_tells_the_story(self):
        run = self.run_it()
        self.apply(self.own(minReplicas=2))
        run.ready(2)
        until(lambda: self.condition("Ready") == ("True", "AsDesired"), "ready, says the status")

        def cells(*more):
            lines = self.kubectl("get", "models", *more).stdout.splitlines()
            return [re.split(r" {2,}", line.strip()) for line in lines]
        stream = {"model": "m", "prompt": "x", "max_tokens": 2, "stream": True}  # else nobody sees a first token
        told = lambda: post(run.url("/v1/completions"), stream)[0] == 200 and (lambda c: len(c[1]) == 6 and c)(cells())
        head, row = until(told, "the TTFT of what is asked", alive=run.process)
        self.assertEqual(head, ["NAME", "READY", "QUEUE", "TTFT P99", "REASON", "AGE"])
        self.assertEqual(row[:3], ["m", "2/2", "0"])
        self.assertRegex(row[3], r"^[0-9.]+m?s$")
        self.assertEqual(row[4], self.model()["status"]["reason"])
        self.assertRegex(row[5], r"^\d+[sm](\d+s)?$")
        head, row = cells("-o", "wide")
        self.assertEqual(head, ["NAME", "READY", "QUEUE", "TTFT P99", "REASON", "POLICY", "MESSAGE", "AGE"])
        self.assertEqual(row[5], "concurrency")
        self.assertEqual(self.kubectl("get", "tgm", "m", "--no-headers").stdout.split()[:2], ["m", "2/2"])
        head, row = cells("-A")
        self.assertEqual((head[:2], row[:2]), (["NAMESPACE", "NAME"], ["serve", "m"]))

    def all_models(self, run):
        return e2e_test.get(f"http://{run.info['admin']}/api/v1/status")["results"]

    def test_who_does_not_lead_writes_nothing_and_takes_over_when_the_leader_ends(self):
        self.apply(self.own(minReplicas=1))
        first = self.run_it("--leader-elect")
        until(lambda: self.scale() == 1, "the leader applies")
        (self.dir / "second").mkdir()
        second = ClusterRun(self.dir / "second", "", flags=["--leader-elect"])
        self.runs.append(second)
        second.start()
        second.ready(1)
        self.apply(self.own(minReplicas=2))
        until(lambda: self.scale() == 2, "the leader goes on")
        self.assertNotIn("this process leads", second.tail())
        self.assertEqual(self.ask(second), 200, second.tail())
        until(lambda: self.all_models(first)[0]["finishedTotal"] == 1, "the leader counts what came through it")
        first.process.send_signal(signal.SIGTERM)
        self.assertEqual(first.process.wait(e2e_test.WAIT), 0)
        until(lambda: "this process leads" in second.tail(), "the Lease was given back", alive=second.process)
        self.apply(self.own(minReplicas=3))
        until(lambda: self.scale() == 3, "the other one applies now")

    def test_the_next_leader_begins_with_the_days_that_the_one_before_knew(self):
        text = self.own(minReplicas=1).replace("policy: concurrency", "policy: tide")
        self.apply(text)
        uid = self.model()["metadata"]["uid"]
        learned = {"type": "Taught", "learned": {"tide": {"season": [1500] * 96}}}
        self.apply(json.dumps({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "tidegate-learned-m", "namespace": "serve",
                         "labels": {"app.kubernetes.io/managed-by": "tidegate"}},
            "data": {"version": "1", "writtenBy": "long-gone", "learned": json.dumps(learned)}}))
        first = self.run_it("--leader-elect")
        until(lambda: "by=long-gone" in first.tail(), "what a run before had learned", alive=first.process)
        first.ready(1)
        (self.dir / "second").mkdir()
        second = ClusterRun(self.dir / "second", "", flags=["--leader-elect"])
        self.runs.append(second)
        second.start()
        second.ready(1)
        first.process.send_signal(signal.SIGTERM)
        self.assertEqual(first.process.wait(e2e_test.WAIT), 0)
        kept = json.loads(self.kubectl("get", "configmap", "tidegate-learned-m", "-o", "json").stdout)
        self.assertNotEqual(kept["data"]["writtenBy"], "long-gone", "handed over before the Lease")
        self.assertEqual(kept["metadata"]["ownerReferences"][0]["uid"], uid)
        self.assertIn("season", kept["data"]["learned"])
        until(lambda: f"by={kept['data']['writtenBy']}" in second.tail(), "the follower goes on from it",
              alive=second.process)

        def season():
            said = json.loads(second.cli("explain", "m", "--format", "json").stdout)
            return json.dumps(said).count("1500") >= 90
        until(season, "its decisions know the days", alive=second.process)


if __name__ == "__main__":
    e2e_test.BINARY, STUB = (str(pathlib.Path(arg).resolve()) for arg in sys.argv[1:3])
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
