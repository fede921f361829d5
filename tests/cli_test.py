#!/usr/bin/env python3
"""What the built binary says to bad input: a clear error that names the place, or a counted and
reported skip; exit code 1 (the input) or 2 (the command line); nothing half-written.

  tests/cli_test.py BINARY [unittest arguments]
"""
import http.server
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest

BINARY = None
HEADER = "time,prompt_tokens,output_tokens\n"
GOOD = HEADER + "0,5,5\n1,5,5\n"
SPEC = """apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata: {name: m}
spec:
  slo: {ttft: {p99: 2s}}
  variants:
    - {name: v, maxReplicas: MAX, engine: {profile: PROFILE}, coldStart: {engine: 10s}}
"""
SCENARIO = """apiVersion: tidegate.dev/v1alpha1
kind: Scenario
metadata: {name: s}
spec:
  title: A minute.
  duration: 60s
  KEY
  workload:
    parts: [{name: all, steady: {rate: 1}}]
---
"""


def spec(most="4", profile="reference"):
    return SPEC.replace("MAX", most).replace("PROFILE", profile)


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tidegate-cli-")
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        (self.dir / "m.yaml").write_text(spec())
        (self.dir / "t.csv").write_text(GOOD)

    def tidegate(self, *words):
        return subprocess.run([BINARY, *words], cwd=self.dir, capture_output=True, text=True,
                              timeout=60)

    def simulate(self, *words, trace="t.csv", file="m.yaml"):
        return self.tidegate("simulate", "-f", file, "--trace", trace, "--policy", "static:1",
                             "--format", "json", *words)

    def refused(self, done, says, code=1):
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn(says, done.stderr)
        self.assertNotRegex(done.stderr, r"[\x00-\x08\x0e-\x1f\x7f]")  # safe to show in a terminal


class Traces(Case):
    def test_what_is_no_trace_is_refused(self):
        for label, data, says in [
            ("an empty file", b"", "it is empty"),
            ("blank lines", b"\n\n", "it is empty"),
            ("a missing column", b"time,prompt_tokens\n0,5\n", 'it lacks "output_tokens"'),
            ("JSON of another kind", b'{"a": 1}\n', "JSON of an unknown kind"),
            ("binary junk", bytes(range(256)) * 64, "is not one of a trace"),
            ("a first line without end", b"x" * 2_000_000, "line 1: longer than"),
            ("a header alone", HEADER.encode(), "no request"),
            ("rows that are all bad", (HEADER + "nan,5,5\n-1,5,5\n").encode(),
             "2 of 2 rows skipped: line 2:"),
            ("a rate below zero", b"time,rate\n0,-1\n9,2\n", 'line 2: rate "-1"'),
            ("requests for another model", (HEADER.strip() + ",model\n0,5,5,other\n").encode(),
             '("other")'),
        ]:
            with self.subTest(label):
                (self.dir / "bad.csv").write_bytes(data)
                self.refused(self.simulate("--report", "out.html", trace="bad.csv"), says)
                self.assertFalse((self.dir / "out.html").exists(), "half-written")

    def test_a_bad_row_is_skipped_counted_and_named(self):
        for label, rows, left, says in [
            ("lengths below one", "0,5,5\n1,-7,5\n2,5,0\n", 1,
             "2 of 3 rows skipped: line 3: prompt tokens -7: must be 1 to 10000000; "
             "line 4: output tokens 0"),
            ("unsorted times; equal ones are legal", "5,1,1\n1,1,1\n5,1,1\n", 2,
             "1 of 3 rows skipped: line 3: its time is before the row above"),
            ("JSON among CSV", '0,5,5\n{"timestamp": 5}\n2,5,5\n', 2,
             "line 3: JSON in a CSV trace"),
            ("too few fields", "0,5,5\n1,5\n", 1, "line 3: output tokens"),
            ("numbers that are none", "0,5,5\n1,5,x\x1b[31m\n", 1,
             'line 3: output tokens "x\\x1b[31m"'),
            ("a number over all bounds", "0,5,5\n1,5,99999999999999999999\n", 1, "line 3: output"),
        ]:
            with self.subTest(label):
                (self.dir / "bad.csv").write_text(HEADER + rows)
                done = self.simulate(trace="bad.csv")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["results"][0]["requests"], left)
                self.assertIn(says, done.stderr)

    def test_csv_among_json_is_skipped_and_named(self):
        good = '{"timestamp": 0, "input_length": 3, "output_length": 3, "hash_ids": [1]}\n'
        (self.dir / "bad.jsonl").write_text(good + "1,5,5\n" + '{"timestamp": 5}\n')
        done = self.simulate(trace="bad.jsonl")
        self.assertIn("2 of 3 rows skipped: line 2: not a JSON object; line 3: no integer",
                      done.stderr)

    def test_a_request_beyond_the_context_is_rejected_and_reported(self):
        (self.dir / "long.csv").write_text(HEADER + "0,900000,5\n1,5,5\n")
        done = self.simulate(trace="long.csv")
        result = json.loads(done.stdout)["results"][0]
        self.assertEqual((result["requests"], result["rejected"], result["completed"]), (2, 1, 1))
        self.assertIn("longer than the engine's context", done.stderr)

    def test_a_file_that_cannot_be_read(self):
        self.refused(self.simulate(trace="."), "Is a directory")
        self.refused(self.simulate(trace="none.csv"), "none.csv: No such file")
        self.refused(self.simulate("--lengths", "t.csv"), "--lengths is for a rate series")


    def test_what_people_hand_in_for_a_trace_is_named_with_the_way_out(self):
        for label, data, says in [
            ("gzip", b"\x1f\x8b\x08\x00abc\n", "unpack it with gunzip"),
            ("a spreadsheet", b"PK\x03\x04abc\n", "save it as CSV"),
            ("UTF-16", GOOD.encode("utf-16"), "save it as UTF-8"),
            ("semicolons", GOOD.replace(",", ";").encode(), "parted by ';'"),
            ("tabs", GOOD.replace(",", "\t").encode(), "parted by tabs"),
            ("a header alone", HEADER.encode(), "no row stands below its header"),
        ]:
            with self.subTest(label):
                (self.dir / "bad.csv").write_bytes(data)
                self.refused(self.simulate(trace="bad.csv"), says)
        self.refused(self.simulate("--from", "10h"), "its 2 rows end 1 s after its start")
        self.refused(self.simulate(trace="/dev/zero"), "write it to one first")

    def test_bom_and_crlf_are_read(self):
        (self.dir / "dos.csv").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
        done = self.simulate(trace="dos.csv")
        self.assertEqual(json.loads(done.stdout)["results"][0]["requests"], 2, done.stderr)


class CommandLine(Case):
    def test_the_nearest_word_is_named_and_where_the_others_are(self):
        for words, says in [
            ((), "a verb is missing; `tidegate --help`"),
            (("simulat",), 'no verb "simulat"; did you mean simulate?'),
            (("simulat", "-f", "m.yaml"), 'no verb "simulat"; did you mean simulate?'),
            (("--versio",), "no flag --versio; did you mean --version?"),
            (("weights", "ftch"), "did you mean fetch? `tidegate weights --help`"),
            (("simulate", "--polcy", "hpa"), "no flag --polcy; did you mean --policy?"),
            (("simulate", "--polcy=hpa"), "no flag --polcy; did you mean --policy?"),
            (("simulate", "-f", "m.yaml", "more"), 'nothing more is expected where "more" stands'),
            (("simulate", "m.yaml"), "did you mean -f m.yaml?"),
            (("check", "-f", "m.yaml"), "no flag -f: name the file without it"),
            (("simulate",), "--file is required; `tidegate simulate --help`"),
            (("simulate", "-f", "m.yaml", "--scale", "two"), '--scale: "two" is not a number'),
            (("simulate", "-f", "m.yaml", "--seed", "-1"), '--seed: "-1" is negative'),
            (("load", "--url", "u", "--trace", "t", "--max-open", "-1"), '"-1" is negative'),
            (("engine", "--port", "99999"), "99999 not in range 0 to 65535"),
            (("tune", "-f", "m.yaml", "--runs", "0"), "0 not in range 1"),
        ]:
            with self.subTest(words):
                self.refused(self.tidegate(*words), says, 2)

    def test_output_that_is_lost_is_an_error(self):
        words = [BINARY, "simulate", "-f", "m.yaml", "--trace", "t.csv", "--policy", "static:1"]
        for label, out, stream in [("a full disk", ">/dev/full", "cannot be written"),
                                   ("no standard output at all", ">&-", "cannot be written"),
                                   ("no standard input or error", "<&- 2>&-", "")]:
            for more in ([], ["--format", "json"]):
                with self.subTest(label, more=more):
                    done = subprocess.run(["sh", "-c", f'"$@" {out}', "sh", *words, *more],
                                          cwd=self.dir, capture_output=True, text=True, timeout=60)
                    self.assertEqual(done.returncode, 1 if stream else 0, done.stderr)
                    self.assertIn(stream, done.stderr)

    def test_help_is_a_verb_too(self):
        for words, says in [(("help",), "Subcommands:"), (("help", "run"), "--models-from-cluster"),
                            (("help", "weights", "keep"), "--capacity")]:
            with self.subTest(words):
                done = self.tidegate(*words)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(says, done.stdout)
        done = subprocess.run(["sh", "-c", f'"{BINARY}" --help >/dev/full 2>/dev/null'], timeout=60)
        self.assertEqual(done.returncode, 1)

    def test_a_reader_that_leaves_ends_it_in_order(self):
        (self.dir / "bad.yaml").write_text("a: 1\n" * 20_000)
        for words in ("check bad.yaml", "check --explain m.yaml", "schema"):
            with self.subTest(words):
                done = subprocess.run(
                    ["bash", "-c", f'"{BINARY}" {words} 2>&1 | true; echo ${{PIPESTATUS[0]}}'],
                    cwd=self.dir, capture_output=True, text=True, timeout=60)
                self.assertIn(done.stdout, ("0\n", "1\n"))

    def test_who_reads_the_first_lines_alone_is_told_nothing(self):
        done = subprocess.run(["bash", "-c", f'set -o pipefail; "{BINARY}" schema | head -c 1'],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.stderr), ("{", ""))

    def test_who_answers_where_a_tidegate_was_meant_is_named_and_not_quoted(self):
        class Page(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = b"<!DOCTYPE HTML><html>" + b"x" * 1000
                self.send_response(404 if self.path == "/v1/models" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            do_POST = do_GET

            def log_message(self, *_):
                pass
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        port = server.server_address[1]
        for words, says in [(("status", "--admin", f"127.0.0.1:{port}"), "is no admin API of tidegate"),
                            (("pause", "m", "--admin", f"127.0.0.1:{port}"), "is no admin API"),
                            (("calibrate", "--url", f"http://127.0.0.1:{port}"), "status 404\n")]:
            with self.subTest(words):
                done = self.tidegate(*words)
                self.refused(done, says)
                self.assertNotIn("<html>", done.stderr)

    def test_what_was_refused_is_no_bound_of_the_engine(self):
        engine = subprocess.Popen([BINARY, "engine", "m", "--port", "0", "--time-scale", "20",
                                   "--max-num-queued-reqs", "6"], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True)
        self.addCleanup(engine.stdout.close)
        self.addCleanup(engine.wait)
        self.addCleanup(engine.terminate)
        engine.stdout.readline()
        address = re.search(r"address=([0-9.:]+)", engine.stdout.readline()).group(1)
        done = self.tidegate("calibrate", "--url", f"http://{address}", "--time-scale", "20", "--slo-itl", "1s",
                             "--max-concurrency", "16", "--evaluations", "50")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("with 8 clients requests failed, so that no more than 4 were measured", done.stdout)

    def test_paths_and_addresses_are_checked_where_they_are_given(self):
        (self.dir / "junk").write_bytes(b"\x7fELF\x00\x01")
        for words, says in [
            (("import", "keda", "none.yaml"), "none.yaml: no such file"),
            (("check", "junk"), None),
            (("replay", "."), "Is a directory"),
            (("replay", "t.csv"), "`tidegate run --tape`"),
            (("weights", "list", "--to", "none"), "no such folder"),
            (("calibrate", "--grid", "."), "cannot be read: Is a directory"),
            (("calibrate", "--url", "http://127.0.0.1:1", "--budget", "5"), '--budget: "5" has no unit'),
            (("load", "--url", "http://127.0.0.1:1", "--trace", "t.csv", "--max-open", "0"),
             "give 1 or more"),
            (("resume", "m", "--for", "2"), '--for: "2" has no unit'),
            (("export", "keda", "-f", "m.yaml", "--prometheus", "p"), "http://HOST:PORT"),
            (("export", "keda", "-f", "m.yaml", "--scaler", "s"), "HOST:PORT"),
            (("export", "hpa", "-f", "m.yaml", "--until", "5m"), "for --trace"),
            (("tune", "-f", "m.yaml", "--trace", "t.csv", "--state", "t.csv"), "none of its 3 lines"),
            (("tune", "-f", "m.yaml", "--trace", "t.csv", "--state", "/dev/full"), "no regular file"),
        ]:
            with self.subTest(words):
                done = self.tidegate(*words)
                if says:
                    self.refused(done, says)
                else:
                    self.assertIn("this is no text: byte 5 is 0", done.stdout + done.stderr)


class Files(Case):
    def test_zero_capacity_and_unknown_words_are_refused(self):
        for number, (label, text, says) in enumerate([
            ("maxReplicas 0", spec(most="0"), "maxReplicas: 0 is too small"),
            ("an unknown profile", spec(profile="nosuch"), 'no profile "nosuch"'),
            ("a directory of that name", None, "is a directory"),
            ("an unknown key of a scenario", SCENARIO.replace("KEY", "duratoin: 5s") + spec(),
             'unknown key "duratoin"; did you mean "duration"?'),
            ("a scenario without a model", SCENARIO.replace("KEY", "seed: 1"), "Model"),
        ]):
            with self.subTest(label):
                path = self.dir / f"bad{number}.yaml"
                path.mkdir() if text is None else path.write_text(text)
                self.refused(self.tidegate("simulate", "-f", path.name, "--trace", "t.csv"), says)

    def test_numbers_that_make_no_sense(self):
        for words, code, says in [
            (("--scale", "0"), 1, "scale must be"),
            (("--scale", "nan"), 1, "scale must be"),
            (("--speedup", "-1"), 1, "speedup must be"),
            (("--until", "1s", "--from", "5s"), 1, "--until must be after --from"),
            (("--from", "10h"), 1, "no request in the part asked for"),
            (("--policy", "nosuch"), 1, 'policy "nosuch" is unknown'),
            (("--policy", "static:-1"), 1, "needs a knob from 0"),
            (("--model", "other"), 1, '"other"'),
            (("--nosuch",), 2, "--nosuch"),
        ]:
            with self.subTest(words):
                done = self.tidegate("simulate", "-f", "m.yaml", "--trace", "t.csv",
                                     "--format", "json", *words)
                self.refused(done, says, code)
        self.refused(self.tidegate("simulate", "-f", "m.yaml"), "--trace FILE is missing")

    def test_files_that_cannot_be_written_are_said_before_anything_is_played(self):
        for flag in ("--report", "--requests", "--decisions", "--chrome-trace"):
            for path, says in [("none/x", "cannot write none/x: No such file"),
                               (".", "cannot write .: is a directory")]:
                with self.subTest(f"{flag} {path}"):
                    self.refused(self.simulate(flag, path), says)
        before = sorted(self.dir.iterdir())
        done = self.simulate("--report", "/dev/full")
        self.assertEqual(done.returncode, 1)
        self.assertIn("/dev/full", done.stderr)
        self.assertEqual(sorted(self.dir.iterdir()), before, "nothing is left behind")

    def test_hours_of_work_are_not_done_for_a_file_that_cannot_be_written(self):
        (self.dir / "grid.csv").write_text("a,b\n1,2\n")
        for words in (("tune", "-f", "m.yaml", "--trace", "none.csv", "--out", "none/x"),
                      ("calibrate", "--grid", "none.csv", "--out", "none/x"),
                      ("calibrate", "--url", "http://127.0.0.1:1", "--report", "none/x")):
            with self.subTest(words):
                self.refused(self.tidegate(*words), "cannot write none/x: No such file")

    def test_what_was_there_stays_until_the_new_one_is_whole(self):
        (self.dir / "out.html").write_text("kept")
        (self.dir / "bad.csv").write_text("a,b\n1,2\n")
        self.refused(self.simulate("--report", "out.html", trace="bad.csv"), "not one of a trace")
        self.assertEqual((self.dir / "out.html").read_text(), "kept")


class Size(Case):
    def test_nonsense_is_refused(self):
        little = ("--latency", "2s", "--max-num-seqs", "8")
        slo = ("--profile", "reference", "--prompt", "500", "--output", "100")
        for words, code, says in [
            ((), 2, "no --qps"),
            (("--qps", "5"), 2, "say --latency"),
            (("--qps", "-1", *little), 2, "--qps is -1"),
            (("--qps", "nan", *little), 2, "--qps is nan"),
            (("--qps", "1e300", *little), 2, "at most 1e+15"),
            (("--qps", "5", "--latency", "2s"), 2, "needs --max-num-seqs"),
            (("--qps", "5", "--latency", "0s", "--max-num-seqs", "8"), 1, "above 0"),
            (("--qps", "5", "--latency", "x", "--max-num-seqs", "8"), 1, '"x"'),
            (("--qps", "5", "--latency", "2s", "--max-num-seqs", "0"), 2, "--max-num-seqs is 0"),
            (("--qps", "5", *slo, "--slo-ttft", "x"), 1, '"x"'),
            (("--qps", "5", *slo, "--target-utilization", "2"), 2, "(0, 1]"),
            (("--qps", "5", *slo, "--latency", "2s"), 2, "--latency is Little's Law alone"),
            (("--qps", "5", "--profile", "nosuch", *slo[2:]), 1, '"nosuch"'),
            (("--qps", "5", "--profile", "reference", "--lengths", "."), 1, "Is a directory"),
            (("--qps", "5", "--profile", "reference", "--prompt", "5"), 2, "go together"),
            (("--qps", "5", "--profile", "reference", "--prompt", "0", "--output", "5"), 2,
             "--prompt is 0"),
            (("--qps", "five",), 2, "--qps"),
            (("-f", "none.yaml", "--qps", "5", *slo[2:]), 1, "none.yaml"),
        ]:
            with self.subTest(words):
                self.refused(self.tidegate("size", *words), says, code)

    def test_a_prompt_beyond_the_context_is_said(self):
        done = self.tidegate("size", "--qps", "5", "--profile", "reference", "--prompt", "500000",
                             "--output", "5")
        self.assertNotEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    BINARY = str(pathlib.Path(sys.argv.pop(1)).resolve())
    unittest.main()
