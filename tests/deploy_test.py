#!/usr/bin/env python3
"""What lies in deploy/ is what the binary makes, builds with kubectl, and passes promtool; exports too.

  tests/deploy_test.py BINARY [--update] [unittest arguments]

--update writes the generated files anew. Without kubectl, promtool or systemd-analyze the tests that ask
them are skipped.
"""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
BINARY = None
# What the binary writes, and where it lies.
GENERATED = {
    "base/crd.yaml": ["schema", "--crd"],
    "prometheus/rules.yaml": ["export", "rules"],
    "prometheus/prometheusrule.yaml": ["export", "prometheusrule"],
    "grafana/tidegate.json": ["export", "grafana"],
}
PROMTOOL = shutil.which("promtool") or shutil.which(str(ROOT / ".tools/usr/bin/promtool"))
KUBECTL = os.environ.get("KUBECTL") or shutil.which("kubectl")


def tidegate(*words, code=0, **more):
    done = subprocess.run([BINARY, *map(str, words)], capture_output=True, text=True, timeout=120, **more)
    if code is not None and done.returncode != code:
        raise AssertionError(f"tidegate {words}: {done.returncode}, not {code}: {done.stderr}")
    return done


class Generated(unittest.TestCase):
    def test_files_are_what_the_binary_makes(self):
        for name, words in GENERATED.items():
            with self.subTest(name):
                self.assertEqual((DEPLOY / name).read_text(), tidegate(*words).stdout,
                                 f"deploy/{name} is stale: tests/deploy_test.py BINARY --update")


@unittest.skipUnless(KUBECTL, "no kubectl: kustomizations are not built")
class Kustomize(unittest.TestCase):
    def build(self, folder):
        done = subprocess.run([KUBECTL, "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_each_folder_builds_by_itself(self):
        folders = sorted(p.parent for p in DEPLOY.rglob("kustomization.yaml"))
        self.assertGreaterEqual(len(folders), 5)
        for folder in folders:
            with self.subTest(str(folder.relative_to(ROOT))):
                for document in self.build(folder).split("\n---\n"):
                    self.assertRegex(document, r"(?m)^apiVersion: ", "kubectl applies no empty document")

    def test_pods_have_no_rights_they_do_not_need(self):
        for overlay in ("base", "overlays/dev", "overlays/ha", "overlays/cost", "overlays/namespaced",
                        "overlays/external-metrics"):
            text = self.build(DEPLOY / overlay)
            for needed in ("runAsNonRoot: true", "readOnlyRootFilesystem: true",
                           "allowPrivilegeEscalation: false", "path: /healthz", "path: /readyz",
                           "kind: NetworkPolicy", "kind: PodDisruptionBudget"):
                with self.subTest(overlay + ": " + needed):
                    self.assertIn(needed, text)
            with self.subTest(overlay + ": no wildcard, no secrets"):
                self.assertNotIn("'*'", text)
                self.assertNotRegex(text, r"(?m)^  - secrets")

    def test_a_gateway_apart_may_write_nothing(self):
        documents = self.build(DEPLOY / "overlays/ha").split("\n---\n")
        gateway = [d for d in documents if re.search(r"(?m)^  name: tidegate-gateway$", d)]
        kinds = {re.search(r"(?m)^kind: (\w+)$", d).group(1): d for d in gateway}
        self.assertIn("serviceAccountName: tidegate-gateway", kinds["Deployment"])
        verbs = set(re.findall(r"(?m)^  - (get|list|watch|create|update|patch|delete)$", kinds["ClusterRole"]))
        self.assertLessEqual(verbs, {"get", "list", "watch"}, kinds["ClusterRole"])
        self.assertNotIn("- pods", kinds["ClusterRole"])
        self.assertIn("NetworkPolicy", kinds)
        self.assertIn("PodDisruptionBudget", kinds)

    def test_one_namespace_has_no_right_outside_it(self):
        text = self.build(DEPLOY / "overlays/namespaced")
        bindings = [d for d in text.split("\n---\n") if re.search(r"(?m)^kind: ClusterRoleBinding$", d)]
        self.assertEqual(["subjects" in d for d in bindings], [False], "the base's is bound to nobody")
        self.assertNotIn("--all-namespaces", text)
        self.assertRegex(text, r"kind: RoleBinding\nmetadata:\n(  .*\n)*  namespace: serve\n")

    def test_the_overlays_are_what_they_say(self):
        for overlay, needed in [("ha", "--leader-elect"), ("ha", "replicas: 2"),
                                ("cost", "cloud.google.com/gke-spot"), ("dev", "cpu: 50m"),
                                ("ha", "--role=controller"), ("ha", "--role=gateway"),
                                ("ha", "clusterIP: None")]:
            with self.subTest(overlay + ": " + needed):
                self.assertIn(needed, self.build(DEPLOY / "overlays" / overlay))

    def test_external_metrics_are_off_unless_their_overlay_is_taken(self):
        for overlay in ("base", "overlays/ha", "overlays/namespaced"):
            with self.subTest(overlay):
                text = self.build(DEPLOY / overlay)
                for word in ("external-metrics", "8443", "auth-delegator", "apiregistration"):
                    self.assertNotIn(word, text)

    def test_external_metrics_have_all_they_need_over_each_base(self):
        for base in ("../../base", "../ha"):
            with self.subTest(base), tempfile.TemporaryDirectory(prefix="tidegate-deploy-") as folder:
                copy = pathlib.Path(folder, "deploy")
                shutil.copytree(DEPLOY, copy)
                own = copy / "overlays/external-metrics/kustomization.yaml"
                own.write_text(own.read_text().replace("- ../../base", f"- {base}"))
                self.holds_external_metrics(self.build(own.parent).split("\n---\n"))

    def holds_external_metrics(self, documents):
        def one(kind, name):
            found = [d for d in documents if re.search(rf"(?m)^kind: {kind}$", d)
                     and re.search(rf"(?m)^  name: {name}$", d)]
            self.assertEqual(len(found), 1, (kind, name))
            return found[0]

        # Applying it would take it from KEDA: Tidegate makes it, where there is none.
        self.assertFalse([d for d in documents if "kind: APIService\n" in d])
        pod = one("Deployment", "tidegate")
        label = 'tidegate.dev/external-metrics: "true"'
        for needed in ("--register-external-metrics", "--external-metrics-address=0.0.0.0:8443",
                       "--external-metrics-service=tidegate-external-metrics", "containerPort: 8443",
                       "secretName: tidegate-external-metrics", label):
            self.assertIn(needed, pod)
        for kind in ("Service", "NetworkPolicy"):
            self.assertIn(label, one(kind, "tidegate-external-metrics"))
        self.assertIn("port: 443", one("Service", "tidegate-external-metrics"))
        self.assertIn("name: system:auth-delegator", one("ClusterRoleBinding", "tidegate-auth-delegator"))
        reader = one("RoleBinding", "tidegate-auth-reader")
        self.assertIn("namespace: kube-system", reader)
        self.assertIn("name: extension-apiserver-authentication-reader", reader)
        may = one("ClusterRoleBinding", "tidegate-external-metrics-reader")
        self.assertIn("name: horizontal-pod-autoscaler", may)
        self.assertIn("name: tidegate\n  namespace: tidegate", may)
        role = one("ClusterRole", "tidegate-apiservice")
        self.assertRegex(role, r"resourceNames:\n  - v1beta1.external.metrics.k8s.io\n(  .*\n)*  verbs:\n  - get\n  - patch")

    def test_keda_finds_the_one_that_leads(self):
        for overlay, component in (("base", "gateway"), ("overlays/ha", "controller")):
            with self.subTest(overlay):
                documents = self.build(DEPLOY / overlay).split("\n---\n")
                service, = [d for d in documents if "kind: Service\n" in d and "  name: tidegate-keda\n" in d]
                self.assertIn("clusterIP: None", service)
                self.assertIn(f"app.kubernetes.io/component: {component}", service)

    def test_flags_in_manifests_are_flags_of_run(self):
        known = set(re.findall(r"--[a-z-]+", tidegate("run", "--help").stdout))
        for manifest in [DEPLOY / "base/deployment.yaml", DEPLOY / "overlays/ha/controller.yaml",
                         DEPLOY / "overlays/ha/gateway.yaml",
                         DEPLOY / "overlays/external-metrics/flags.yaml", DEPLOY / "systemd/tidegate.service"]:
            text = "\n".join(line for line in manifest.read_text().splitlines()
                             if not line.lstrip().startswith("#"))
            for flag in re.findall(r"--[a-z][a-z-]+", text):
                with self.subTest(f"{manifest.name}: {flag}"):
                    self.assertIn(flag, known)

    def test_the_weights_of_nodes_are_kept_with_few_rights(self):
        text = self.build(DEPLOY / "weights")
        for needed in ("kind: DaemonSet", "runAsNonRoot: true", "path: /healthz", "path: /readyz",
                       "kind: NetworkPolicy", "hostPath:"):
            with self.subTest(needed):
                self.assertIn(needed, text)
        self.assertNotIn("'*'", text)
        self.assertNotRegex(text, r"(?m)^  - secrets")
        # The one container that is root has no right but the one it is for.
        self.assertEqual(text.count("readOnlyRootFilesystem: true"), 2)
        self.assertEqual(text.count("allowPrivilegeEscalation: false"), 2)
        self.assertEqual(text.count("runAsUser: 0"), 1)
        self.assertEqual(re.findall(r"add:\n *- (\w+)", text), ["CHOWN"])
        known = set(re.findall(r"--[a-z-]+", tidegate("weights", "keep", "--help").stdout))
        flags = re.findall(r"- (--[a-z][a-z-]+)", text)
        self.assertIn("--models-from-cluster", flags)
        for flag in flags:
            with self.subTest(flag):
                self.assertIn(flag, known)

    def test_an_exported_kustomization_builds(self):
        with tempfile.TemporaryDirectory(prefix="tidegate-deploy-") as folder:
            for spec in ("docs/examples/kubernetes.yaml", "docs/examples/qwen3-32b.yaml"):
                out = pathlib.Path(folder, pathlib.Path(spec).stem)
                tidegate("export", "kustomize", "-f", ROOT / spec, "--no-simulation", "--out", out)
                with self.subTest(spec):
                    built = self.build(out)
                    self.assertIn("kind: Role\n", built)
                    self.assertNotIn("ClusterRole", built)
                    tidegate("check", out / "model.yaml")

    def test_the_hook_of_an_exported_engine_ends_when_nothing_runs_or_waits(self):
        text = tidegate("export", "kustomize", "-f", ROOT / "docs/examples/qwen3-32b.yaml", "--no-simulation").stdout
        script = json.loads(re.search(r'- ("sleep 2;.*")', text).group(1))
        vllm = 'vllm:num_requests_{}{{engine="0",model_name="m"}} {}\n'

        def page(running, waiting):
            return "# HELP vllm:num_requests_running Number\n" + vllm.format("running", running) + \
                vllm.format("waiting", waiting) + 'vllm:num_requests_swapped 7\n'

        rows = [("it runs, then queues, then neither", [page("2.0", "0.0"), page("0.0", "1.0"), page("0.0", "0.0")], 3),
                ("ten are not none", [page("10", "0"), page("0", "0")], 2),
                ("SGLang's names", ["sglang:num_running_reqs{a=\"b\"} 3.0\n", "sglang:num_running_reqs{a=\"b\"} 0.0\n"], 2),
                ("an engine that does not answer has nothing to wait for", [None], 1),
                ("one that never ends: no longer than the longest answer", [page("1", "0")] * 121, 120)]
        for label, pages, asked in rows:
            with self.subTest(label), tempfile.TemporaryDirectory(prefix="tidegate-hook-") as folder:
                home = pathlib.Path(folder)
                for i, one in enumerate(pages):
                    if one is not None:
                        (home / f"page-{i}").write_text(one)
                fakes = {"sleep": "exit 0", "curl": f'cd {home}; n=$(cat n 2>/dev/null || echo 0); '
                                                    f'echo $((n + 1)) > n; cat page-$n 2>/dev/null'}
                for name, body in fakes.items():
                    (home / name).write_text(f"#!/bin/sh\n{body}\n")
                    (home / name).chmod(0o755)
                done = subprocess.run(["sh", "-c", script], timeout=60, capture_output=True,
                                      env={"PATH": f"{home}:{os.environ['PATH']}"})
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(int((home / "n").read_text()), asked)


@unittest.skipUnless(KUBECTL and os.environ.get("KUBEBUILDER_ASSETS"), "no kube-apiserver to ask (KUBEBUILDER_ASSETS)")
class OnAnApiServer(unittest.TestCase):
    """A real one, started by the kube_stub that is built beside the binary."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tidegate-deploy-")
        cls.config = pathlib.Path(cls.folder.name, "kubeconfig")
        cls.server = subprocess.Popen([str(pathlib.Path(BINARY).parent / "kube_stub"), str(cls.config), "serve",
                                       "m", "1"])
        end = time.monotonic() + 120
        while not cls.config.exists() and cls.server.poll() is None and time.monotonic() < end:
            time.sleep(0.1)

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()
        cls.folder.cleanup()

    def kubectl(self, *words, **more):
        return subprocess.run([KUBECTL, "--kubeconfig", str(self.config), *map(str, words)], capture_output=True,
                              text=True, timeout=120, **more)

    def test_every_kustomization_is_taken(self):
        self.assertTrue(self.config.exists(), "kube_stub did not start the server")
        for name in ("tidegate", "tidegate-weights"):  # a dry run makes no namespace for what follows it
            self.kubectl("create", "namespace", name)
        for folder in sorted(p.parent for p in DEPLOY.rglob("kustomization.yaml")):
            if folder.name == "prometheus":
                continue  # kinds of the Prometheus operator
            with self.subTest(str(folder.relative_to(ROOT))):
                built = self.kubectl("kustomize", folder)
                done = self.kubectl("apply", "--dry-run=server", "-f", "-", input=built.stdout)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("(server dry run)", done.stdout)

    def test_a_definition_and_every_example_of_a_model_are_taken(self):
        done = self.kubectl("apply", "-f", DEPLOY / "base/crd.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.kubectl("wait", "--for=condition=Established", "crd/models.tidegate.dev", "--timeout=60s")
        for example in sorted((ROOT / "docs/examples").glob("*.yaml")):
            text = example.read_text()
            if "kind: Model" not in text:
                continue
            with self.subTest(example.name):
                done = self.kubectl("apply", "--dry-run=server", "-n", "serve", "-f", "-", input=text)
                self.assertEqual(done.returncode, 0, done.stderr)


@unittest.skipUnless(PROMTOOL, "no promtool: rules are not checked")
class Prometheus(unittest.TestCase):
    def promtool(self, *words):
        done = subprocess.run([PROMTOOL, *map(str, words)], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_rules_are_sound(self):
        self.promtool("check", "rules", DEPLOY / "prometheus/rules.yaml")

    def test_rules_call_when_they_should(self):
        self.promtool("test", "rules", DEPLOY / "prometheus/rules_test.yaml")

    def test_queries_of_exports_are_promql(self):
        specs = ["docs/examples/kubernetes.yaml", "docs/examples/observe.yaml"]
        queries = []
        for spec in specs:
            text = tidegate("export", "prometheus-adapter", "-f", ROOT / spec, "--no-simulation").stdout
            queries += re.findall(r"metricsQuery: '(.*)'", text)
        self.assertGreaterEqual(len(queries), 4)
        dashboard = json.loads((DEPLOY / "grafana/tidegate.json").read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                queries.append(target["expr"].replace("$__rate_interval", "5m").replace("$__range", "6h"))
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as rules:
            json.dump({"groups": [{"name": "queries", "rules": [
                {"record": f"q{i}", "expr": q} for i, q in enumerate(queries)]}]}, rules)
            rules.flush()
            self.promtool("check", "rules", rules.name)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Names(unittest.TestCase):
    """Every metric that a rule or panel names is on /metrics of a run."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="tidegate-deploy-")
        spec = pathlib.Path(cls.folder.name, "model.yaml")
        spec.write_text((ROOT / "docs/examples/minimal.yaml").read_text())
        admin = free_port()
        run = subprocess.Popen([BINARY, "run", "-f", str(spec), "--dry-run", "--listen", "127.0.0.1:0"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cls.folder.name)
        run.wait(60)
        spec.write_text((ROOT / "docs/examples/observe.yaml").read_text())
        run = subprocess.Popen([BINARY, "run", "-f", str(spec), "--listen", "127.0.0.1:0", "--admin",
                                f"127.0.0.1:{admin}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=dict(os.environ, LLAMA_CLIENT_KEYS="k", LLAMA_ENGINE_KEY="k"),
                               cwd=cls.folder.name)
        try:
            cls.page = cls.read(f"http://127.0.0.1:{admin}/metrics", run)
        finally:
            run.terminate()
            run.wait(60)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @staticmethod
    def read(url, run):
        until = time.monotonic() + 60
        while time.monotonic() < until and run.poll() is None:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    return answer.read().decode()
            except OSError:
                time.sleep(0.05)
        raise AssertionError("tidegate run serves no /metrics")

    def test_they_exist(self):
        families = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", self.page))
        self.assertIn("tidegate_desired_replicas", families)
        known = set()
        for name, kind in families.items():
            known |= {name + s for s in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        for path in ("prometheus/rules.yaml", "prometheus/rules_test.yaml", "grafana/tidegate.json"):
            for name in sorted(set(re.findall(r"\btidegate_[a-z0-9_]+", (DEPLOY / path).read_text()))):
                with self.subTest(f"{path}: {name}"):
                    self.assertIn(name, known)

    def test_so_do_those_of_exported_queries(self):
        text = tidegate("export", "keda", "-f", ROOT / "docs/examples/kubernetes.yaml",
                        "--no-simulation").stdout
        names = set(re.findall(r"\btidegate_[a-z0-9_]+", text))
        self.assertIn("tidegate_queue_requests", names)
        for name in names:
            with self.subTest(name):
                self.assertIn(f"# TYPE {name} ", self.page)


class Exports(unittest.TestCase):
    """The verb itself: what it writes, says and refuses."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tidegate-export-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        trace = "time,prompt_tokens,output_tokens\n" + "".join(f"{i / 2},500,100\n" for i in range(400))
        (self.dir / "t.csv").write_text(trace)
        self.spec = ROOT / "docs/examples/kubernetes.yaml"

    def test_each_is_played_first_and_says_so(self):
        for kind, law in (("keda", "keda"), ("hpa", "hpa"), ("prometheus-adapter", "hpa")):
            with self.subTest(kind):
                words = ("export", kind, "-f", self.spec, "--trace", self.dir / "t.csv", "--seed", "7")
                text = tidegate(*words).stdout
                self.assertIn("400 requests of " + str(self.dir / "t.csv") + ", seed 7",
                              text.replace("\n# ", " "))
                self.assertRegex(text, rf"(?m)^#   {law}, as exported +[0-9.]+% ")
                self.assertRegex(text, r"(?m)^#   tide, for comparison +[0-9.]+% ")
                self.assertEqual(text, tidegate(*words).stdout)

    def test_the_made_day_is_the_same_each_time(self):
        spec = self.dir / "small.yaml"
        spec.write_text((ROOT / "docs/examples/minimal.yaml").read_text())
        text = tidegate("export", "hpa", "-f", spec).stdout
        self.assertIn("a made day pressed into 2 h", text)
        self.assertEqual(text, tidegate("export", "hpa", "-f", spec).stdout)

    def test_diff_exits_with_3_until_it_is_written(self):
        words = ("export", "keda", "-f", self.spec, "--no-simulation", "--out", self.dir / "out")
        self.assertIn("+kind: ScaledObject", tidegate(*words, "--diff", code=3).stdout)
        self.assertFalse((self.dir / "out").exists())
        tidegate(*words)
        self.assertEqual(tidegate(*words, "--diff").stdout, "")
        changed = tidegate(*words, "--active", "--diff", code=3).stdout
        self.assertIn('-    autoscaling.keda.sh/paused: "true"', changed)

    def test_what_is_refused_says_why(self):
        bad = self.dir / "bad.yaml"
        bad.write_text(self.spec.read_text().replace("name: qwen3-32b       ", "name: Qwen_3       "))
        for words, says in [
            (("export", "helm", "-f", self.spec), "there is no kind \"helm\"; there are keda, hpa"),
            (("export", "hpa"), "-f FILE is missing"),
            (("export", "hpa", "-f", bad), "none Kubernetes takes"),
            (("export", "asg", "-f", self.spec), "awsAutoScalingGroup"),
            (("export", "hpa", "-f", self.spec, "--kubernetes", "new"), "is no version"),
            (("export", "hpa", "-f", self.spec, "--trace", self.dir / "no.csv"), "no.csv"),
            (("import", "keda", self.spec), "no object of kind ScaledObject"),
            (("import", "helm", self.spec), "there is no kind \"helm\""),
        ]:
            with self.subTest(says):
                done = tidegate(*words, code=1)
                self.assertIn(says, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_what_was_exported_comes_back_and_is_sound(self):
        for kind in ("keda", "hpa"):
            with self.subTest(kind):
                text = tidegate("export", kind, "-f", self.spec, "--no-simulation", "--active").stdout
                (self.dir / "theirs.yaml").write_text(text)
                back = tidegate("import", kind, self.dir / "theirs.yaml").stdout
                (self.dir / "ours.yaml").write_text(back)
                tidegate("check", self.dir / "ours.yaml")
                self.assertIn("target: 44.8", back)
                self.assertIn("maxReplicas: 8", back)


class Machine(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze: the unit is not checked")
    def test_the_unit_is_one(self):
        with tempfile.TemporaryDirectory(prefix="tidegate-deploy-") as folder:
            unit = pathlib.Path(folder, "tidegate.service")
            text = (DEPLOY / "systemd/tidegate.service").read_text()
            unit.write_text(text.replace("/usr/bin/tidegate", str(pathlib.Path(BINARY).resolve())))
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual([line for line in done.stderr.splitlines() if "tidegate.service" in line], [])
        self.assertIn("KillMode=process", text)

    def test_each_library_of_the_binary_has_its_package(self):
        if not shutil.which("dpkg"):
            self.skipTest("no dpkg: this is no Debian")
        done = subprocess.run(["sh", str(DEPLOY / "runtime-packages.sh"), BINARY], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        packages = done.stdout.split()
        self.assertIn("libc6", packages)
        self.assertFalse([p for p in packages if p.endswith("-dev")], packages)


def main():
    global BINARY
    BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    rest = sys.argv[2:]
    if "--update" in rest:
        for name, words in GENERATED.items():
            (DEPLOY / name).write_text(tidegate(*words).stdout)
        rest.remove("--update")
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
