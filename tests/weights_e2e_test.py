#!/usr/bin/env python3
"""`tidegate weights` end to end: the built binary, a server of files, kill -9, a cluster's node.

  tests/weights_e2e_test.py TIDEGATE KUBE_STUB [unittest arguments]
"""
import hashlib
import http.server
import json
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import unittest
import urllib.request

import e2e_test
from e2e_test import Beside, until

STUB = None
MB = 1_000_000
RANGE = 1 << 20


class Source(http.server.ThreadingHTTPServer):
    """Files in memory, with ranges; counts what it sends, and waits where a test says so."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {}
        self.lock = threading.Lock()
        self.sent = 0
        self.hold_after = None  # bytes sent, from which on answers wait
        self.go = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def put(self, path, data):
        self.files["/" + path] = data
        return hashlib.sha256(data).hexdigest()

    def handle_error(self, request, address):
        pass  # the other end was killed


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if match:
            first, last = int(match[1]), min(int(match[2]), len(data) - 1)
            body = memoryview(data)[first:last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        else:
            body = memoryview(data)
            self.send_response(200)
        self.send_header("ETag", f'"{hash(self.path) & 0xffff}-{len(data)}"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for at in range(0, len(body), 1 << 16):
            piece = body[at:at + (1 << 16)]
            if self.server.hold_after is not None and self.server.sent >= self.server.hold_after:
                self.server.go.wait()
            self.wfile.write(piece)
            with self.server.lock:
                self.server.sent += len(piece)


class Weights(Beside):
    def setUp(self):
        super().setUp()
        self.source = Source()
        self.cache = self.dir / "cache"

    def tearDown(self):
        self.source.go.set()
        self.source.shutdown()
        self.source.server_close()
        super().tearDown()

    def weights(self, verb, *words, code=0):
        done = subprocess.run([e2e_test.BINARY, "weights", verb, *map(str, words), "--to", str(self.cache)],
                              capture_output=True, text=True, timeout=e2e_test.WAIT)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def listed(self):
        return {s["name"]: s for s in json.loads(self.weights("list", "--format", "json").stdout)["results"]}

    def manifest(self, sizes):
        """A set of files of so many bytes, as a manifest that the source serves too."""
        files = []
        for i, size in enumerate(sizes):
            digest = self.source.put(f"f{i}", random.Random(i).randbytes(size))
            files.append({"path": f"f{i}", "size": size, "sha256": digest})
        self.source.put("m.json", json.dumps({"name": "m", "files": files}).encode())
        return self.source.url("m.json")


class Fetching(Weights):
    def test_a_fetch_that_was_killed_goes_on_where_it_was(self):
        connections, total = 4, 200 * MB
        url = self.manifest([150 * MB, 49 * MB, MB])
        self.source.hold_after = 90 * MB
        words = ["--from", url, "--connections", str(connections), "--range", "4MiB"]
        killed = self.start([e2e_test.BINARY, "weights", "fetch", *words, "--to", str(self.cache)])
        state = self.cache / ".partial-m/.tidegate-state"
        until(lambda: self.source.sent >= 90 * MB, "90 MB", alive=killed)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        self.assertFalse((self.cache / "m").exists(), "a set has its name only when it is whole")
        self.assertEqual(self.listed()["m"]["state"], "partial")
        done_before = sum(line["to"] - line["from"] for line in map(json.loads, state.read_text().splitlines())
                          if "done" in line)
        self.assertGreaterEqual(done_before, 90 * MB - connections * 4 * RANGE)

        self.source.hold_after = None
        self.source.go.set()
        before = self.source.sent
        done = json.loads(self.weights("fetch", *words, "--format", "json").stdout)["results"][0]
        self.assertEqual(done["bytes"], total)
        self.assertEqual(done["transferredBytes"], total - done_before, "what was missing, and no more")
        self.assertTrue(done["resumed"])
        # What the killed one had asked for may still have been written into its dead sockets.
        self.assertLess(self.source.sent - before,
                        total - done_before + connections * 4 * RANGE + len(self.source.files["/m.json"]) + 1)
        self.assertIn("3 files as fetched", self.weights("verify").stdout)

    def test_a_byte_that_turned_is_found(self):
        self.weights("fetch", "--from", self.manifest([3 * MB, 10]))
        path = self.cache / "m/f0"
        data = bytearray(path.read_bytes())
        data[MB] ^= 1
        path.write_bytes(data)
        done = self.weights("verify", "m", code=1)
        self.assertIn("m: NOT as fetched; evict it and fetch it again\n  f0: its SHA-256 is", done.stdout)
        self.assertNotIn("f1", done.stdout)
        self.weights("evict", "m")
        self.assertEqual(self.listed(), {})

    def test_the_cache_keeps_its_size_by_what_was_used_last(self):
        for name in "abc":
            self.source.put(name, name.encode() * MB)
            self.weights("fetch", "--from", self.source.url(name), "--capacity", "3MB")
        self.assertEqual(sorted(self.listed()), ["a", "b", "c"], "to the byte")
        # "a" is read, "b" is not: it goes when one byte more is wanted.
        reader = subprocess.Popen(["flock", "--shared", str(self.cache / "a/.tidegate-use"), "cat"],
                                  stdin=subprocess.PIPE)
        until(lambda: self.listed()["a"]["state"] == "inUse", "the reader's lock", alive=reader)
        self.source.put("d", b"d")
        self.weights("fetch", "--from", self.source.url("d"), "--capacity", "3MB")
        self.assertEqual(sorted(self.listed()), ["a", "c", "d"])
        self.source.put("e", b"e" * 3 * MB)
        done = self.weights("fetch", "--from", self.source.url("e"), "--capacity", "3MB", code=1)
        self.assertIn("a (1000000 bytes, in use)", done.stderr)
        reader.communicate()
        self.weights("fetch", "--from", self.source.url("e"), "--capacity", "3MB")
        self.assertEqual(sorted(self.listed()), ["e"])

    def test_keep_follows_a_manifest_that_changes_and_none_that_is_bad(self):
        manifest = self.dir / "w.yaml"
        self.source.put("a", b"a")
        self.source.put("b", b"b")
        manifest.write_text("from: " + self.source.url("a"))
        keep = self.start([e2e_test.BINARY, "weights", "keep", "--to", str(self.cache), "--manifest",
                           str(manifest), "--every", "1s"])
        until((self.cache / "a").exists, "the first set", alive=keep)
        manifest.write_text("form: x")
        log = self.dir / "stub.log"
        until(lambda: "what was wanted stays" in log.read_text(), "a word about the bad one", alive=keep)
        manifest.write_text("from: " + self.source.url("b"))
        until((self.cache / "b").exists, "the second set", alive=keep)
        keep.terminate()
        self.assertEqual(keep.wait(e2e_test.WAIT), 0)

    def test_what_is_refused_says_why(self):
        (self.dir / "bad.yaml").write_text("files: [{path: ../a}]")
        for words, says, code in [
            (("fetch",), "give --from SOURCE, or --manifest FILE", 1),
            (("fetch", "--from", "Qwen/Qwen3"), "write hf://OWNER/NAME@REVISION", 1),
            (("fetch", "--from", self.source.url("no")), "HTTP 404", 1),
            (("fetch", "--manifest", self.dir / "bad.yaml"), "would lie outside its folder", 1),
            (("fetch", "--from", "hf://a/b", "--bandwidth", "5"), "--bandwidth 5", 1),
            (("fetch", "--from", "hf://a/b", "--bandwidth", "999KB/s"), "at least 1MB/s", 1),
            (("fetch", "--from", "hf://a/b", "--range", "1MB"), "at least 1MiB", 1),
            (("fetch", "--from", "hf://a/b", "--capacity", "many"), "--capacity many", 1),
            (("fetch", "--from", "hf://a/b", "--connections", "0"), "from 1 to 256", 1),
            (("verify", "nobody"), "there is no nobody", 1),
            (("evict", "nobody"), "there is no nobody", 1),
            (("keep",), "give --manifest FILE or --models-from-cluster", 1),
            (("evict",), "NAME is required", 2),
        ]:
            with self.subTest(says):
                done = self.weights(*words, code=code)
                self.assertIn(says, done.stderr)
                self.assertEqual(done.stdout, "")


@unittest.skipUnless(shutil.which("kubectl"), "no kubectl: nothing is written to a cluster")
class OnNode(Weights):
    def setUp(self):
        super().setUp()
        self.kubeconfig = self.dir / "kubeconfig"
        stub = self.start([STUB, str(self.kubeconfig), "serve", "m", "1"])
        until(self.kubeconfig.exists, "kubeconfig", alive=stub)
        crd = subprocess.run([e2e_test.BINARY, "schema", "--crd"], capture_output=True, text=True, check=True)
        self.apply(crd.stdout)
        until(lambda: self.kubectl("get", "models", check=False).returncode == 0, "the kind is served")
        self.apply("{apiVersion: v1, kind: Node, metadata: {name: gpu-7, labels: {zone: a}}}")

    def kubectl(self, *words, text=None, check=True):
        done = subprocess.run(["kubectl", "--kubeconfig", str(self.kubeconfig), *words], input=text,
                              capture_output=True, text=True, timeout=e2e_test.WAIT)
        self.assertFalse(check and done.returncode, done.stderr)
        return done

    def apply(self, text):
        self.kubectl("apply", "--validate=false", "-f", "-", text=text)

    def labels(self):
        """Of ours; a real cluster has its own."""
        labels = json.loads(self.kubectl("get", "node", "gpu-7", "-o", "json").stdout)["metadata"]["labels"]
        return {key: value for key, value in labels.items() if key == "zone" or key.startswith("weights.")}

    def model(self, name, source):
        self.apply(json.dumps({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Model",
            "metadata": {"name": name, "namespace": "serve"},
            "spec": {"variants": [{"name": "v", "coldStart": {"weights": {"source": source}},
                                   "target": {"kubernetes": {"name": name}}}]}}))

    def test_a_model_brings_its_weights_to_the_node_and_the_node_says_so(self):
        self.manifest([MB, 10])
        self.model("m", self.source.url("m.json"))
        keep = self.start([e2e_test.BINARY, "weights", "keep", "--to", str(self.cache), "--node", "gpu-7",
                           "--models-from-cluster", "-n", "serve", "--trust-models", "--capacity", "1100KB",
                           "--kubeconfig", str(self.kubeconfig), "--metrics-address", "127.0.0.1:0"])
        until(lambda: self.labels() == {"zone": "a", "weights.tidegate.dev/m": "ready"}, "the label", alive=keep)
        self.assertTrue((self.cache / "m/f0").exists())
        log = (self.dir / "stub.log").read_text()
        address = re.search(r"metrics are served.*address=(\S+)", log).group(1)
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=e2e_test.WAIT) as page:
            text = page.read().decode()
        self.assertIn('tidegate_weights_ready{set="m"} 1', text)
        self.assertRegex(text, r'tidegate_weights_fetch_seconds\{set="m"\} [0-9.e-]+')

        # Another Model, whose weights do not fit beside those of the first, which is deleted.
        self.source.put("other", b"o" * MB)
        self.kubectl("delete", "-n", "serve", "model", "m")
        self.model("n", self.source.url("other"))
        until(lambda: self.labels() == {"zone": "a", "weights.tidegate.dev/other": "ready"}, "the other label",
              alive=keep)
        self.assertFalse((self.cache / "m").exists())
        keep.terminate()
        self.assertEqual(keep.wait(e2e_test.WAIT), 0)


def main():
    global STUB
    e2e_test.BINARY = str(pathlib.Path(sys.argv[1]).resolve())
    STUB = str(pathlib.Path(sys.argv[2]).resolve())
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])


if __name__ == "__main__":
    main()
