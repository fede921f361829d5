#!/usr/bin/env python3
"""Every scenario gives the report that is kept beside it, byte for byte.

    scenario_test.py BINARY [NAME...]             compare with scenarios/golden/NAME.json
    scenario_test.py BINARY --update [NAME...]    write them anew: look at the difference before a commit

Only what a clock says (wallSeconds, requestsPerSecond) is left out.
"""
import concurrent.futures
import difflib
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "scenarios" / "golden"
CLOCKED = ("wallSeconds", "requestsPerSecond")


def play(binary, path):
    done = subprocess.run([binary, "simulate", "-f", path, "--format", "json"], cwd=ROOT,
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"{path.name}: exit {done.returncode}\n{done.stderr}")
    report = json.loads(done.stdout)
    for result in report["results"]:
        for key in CLOCKED:
            del result[key]
    return json.dumps(report, indent=1) + "\n"


def main():
    words = [w for w in sys.argv[1:] if w != "--update"]
    update = "--update" in sys.argv
    binary, names = os.path.abspath(words[0]), words[1:]
    paths = sorted(p for p in (ROOT / "scenarios").glob("*.yaml") if not names or p.stem in names)
    if not paths:
        sys.exit("no scenario of that name")
    GOLDEN.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        reports = list(pool.map(lambda p: play(binary, p), paths))
    bad = 0
    for path, report in zip(paths, reports):
        golden = GOLDEN / (path.stem + ".json")
        if update:
            golden.write_text(report)
            continue
        kept = golden.read_text() if golden.exists() else ""
        if kept == report:
            print(f"ok    {path.stem}")
            continue
        bad += 1
        print(f"DIFF  {path.stem}")
        sys.stdout.writelines(difflib.unified_diff(kept.splitlines(True), report.splitlines(True),
                                                   str(golden.relative_to(ROOT)), "now", n=2))
    stale = {p.stem for p in GOLDEN.glob("*.json")} - {p.stem for p in (ROOT / "scenarios").glob("*.yaml")}
    for name in sorted(stale):
        bad += 1
        print(f"STALE scenarios/golden/{name}.json has no scenario")
    if bad:
        sys.exit(f"{bad} differ; where that is meant: tests/scenario_test.py BINARY --update")


if __name__ == "__main__":
    main()
