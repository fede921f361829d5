#!/usr/bin/env python3
"""The house keeps its shape: who may include whom, and what core may include at all.

Every message says why. The rules are docs/architecture.md's; the folder of a file decides.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# What each room of core may look at, besides itself.
CORE = {
    "base": set(),
    "spec": {"base"},
    "workload": {"base", "spec"},
    "engine": {"base", "spec"},
    "signal": {"base", "spec"},
    # tide sizes by the same model of a replica as simulator and `size`: engine/capacity.h.
    "policy": {"base", "spec", "signal", "engine"},
    "plan": {"base", "spec", "signal", "policy"},
    "route": {"base", "spec", "signal"},
    "control": {"base", "spec", "signal", "policy", "plan"},
}
# Standard headers that carry no I/O, clock, thread, lock, environment or libm-dependent distribution.
CORE_STD = set("""algorithm array bit bitset cassert charconv chrono cmath compare concepts cstddef cstdint
cstring deque functional initializer_list iterator limits map memory numeric optional queue set span string
string_view tuple type_traits unordered_map unordered_set utility variant vector""".split())
CORE_OTHER = {"tl/expected.hpp", "xxhash.h"}
FORMAT_OTHER = re.compile(r"^(yaml-cpp/|nlohmann/|simdjson|fmt/|xxhash\.h|tl/expected\.hpp)")
FORMAT_STD_FORBIDDEN = {"thread", "mutex", "atomic", "condition_variable", "future", "random", "iostream"}
# <cmath> beyond these differs in the last bits between machines.
CMATH = re.compile(r"\bstd::(exp|exp2|log|log2|log10|pow|sin|cos|tan|tgamma|lgamma|cbrt|expm1|log1p|"
                   r"sinh|cosh|tanh|erf|erfc|fma|hypot|atan2?)\s*\(")
CLOCK = re.compile(r"(steady_clock|system_clock|high_resolution_clock)::now|clock_gettime|\bgettimeofday")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

problems = []


def problem(path, line, what, why):
    problems.append(f"{path.relative_to(ROOT)}:{line}: {what}: {why}")


def includes(path):
    for number, text in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(text)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def is_test(path):
    name = path.name
    return "_test" in name or name.startswith(("test_", "conformance", "stub_"))


def check_core(path, room):
    for number, own, name in includes(path):
        parts = name.split("/")
        if parts[0] == "core":
            if parts[1] != room and parts[1] not in CORE[room]:
                problem(path, number, f'includes "{name}"',
                        f"core/{room} may look at {sorted(CORE[room])} only: nobody looks upwards")
        elif own or parts[0] in ("format", "live", "sim", "cli"):
            problem(path, number, f'includes "{name}"', "core looks at core only: it must stay pure")
        elif name not in CORE_STD and name not in CORE_OTHER:
            if (name == "cstdio" or name == "cstdlib") and path.name == "check.cc":
                continue
            problem(path, number, f"includes <{name}>",
                    "not on core's list of headers without I/O, clocks, threads and chance")
    text = path.read_text()
    for number, line in enumerate(text.splitlines(), 1):
        if CMATH.search(line.split("//")[0]):
            problem(path, number, "uses libm's transcendental",
                    "its last bits differ with and without FMA; use core/base/math.h")


def check_core_test(path):
    for number, own, name in includes(path):
        if name in ("fstream", "filesystem"):
            problem(path, number, f"includes <{name}>", "core's tests read no files either; format's may")


def check_format(path):
    for number, own, name in includes(path):
        top = name.split("/")[0]
        if top in ("live", "sim", "cli"):
            problem(path, number, f'includes "{name}"', "format turns bytes into core values, no more")
        elif top not in ("core", "format") and "/" in name and not FORMAT_OTHER.match(name):
            problem(path, number, f"includes <{name}>",
                    "format knows no sockets, clocks, threads or other libraries")
        elif name in FORMAT_STD_FORBIDDEN:
            problem(path, number, f"includes <{name}>", "format has no threads, locks or chance")


def check_exchange(path):
    for number, own, name in includes(path):
        if name.split("/")[0] in ("live", "sim", "cli"):
            problem(path, number, f'includes "{name}"',
                    "exchange turns values into other tools' text and back; what was simulated it is told")
        elif name in FORMAT_STD_FORBIDDEN:
            problem(path, number, f"includes <{name}>", "exchange has no threads, locks or chance")


def check_world(path, other):
    for number, own, name in includes(path):
        top = name.split("/")[0]
        if top == other:
            problem(path, number, f'includes "{name}"', "the two worlds around core never meet")
        if top == "cli":
            problem(path, number, f'includes "{name}"', "cli wires; nobody looks at it")


# Rooms of live that others share look at no room beside these.
# aws reads files and times by what kube has for them.
SHARED = {"net": {"net"}, "kube": {"net", "kube"}, "aws": {"net", "kube", "aws"},
          # What is told is handed in: it knows callers and documents, no model.
          "external_metrics": {"net", "kube", "external_metrics"},
          # gRPC's log, credentials and files: what its servers share, and they know each other not.
          "rpc": {"net", "rpc"}}


def check_shared(path, room):
    for number, own, name in includes(path):
        parts = name.split("/")
        if parts[0] == "format" or (parts[0] == "core" and parts[1] != "base"):
            problem(path, number, f'includes "{name}"', f"live/{room} knows the outside, not our domain")
        if parts[0] == "live" and parts[1] not in SHARED[room]:
            problem(path, number, f'includes "{name}"', f"live/{room} is shared by the rooms above it")


def check_testing(path):
    where = str(path.relative_to(SRC))
    for number, own, name in includes(path):
        for room in ("live/kube/testing/", "live/aws/testing/"):
            if name.startswith(room) and not where.startswith(room):
                problem(path, number, f'includes "{name}"', "that server is for tests alone")


# Each third-party network header in exactly one folder.
NETWORK = {
    re.compile(r"^http_parser\.h$"): "live/net",
    re.compile(r"^boost/(asio|beast)"): "live/net",
    re.compile(r"^curl/"): "live/net",
    re.compile(r"^(grpc|grpcpp)/|\.pb\.h$"): ("live/rpc", "live/keda", "live/fleet_link"),
    re.compile(r"^openssl/"): ("live/net", "live/aws/testing"),  # the latter: the judge of signatures
    re.compile(r"^pugixml"): "live/aws",
    re.compile(r"^sqlite3\.h$"): "live/store",
    re.compile(r"^spdlog/"): "live/net",
    re.compile(r"^CLI/"): "cli",
}


def check_all(path):
    where = str(path.relative_to(SRC))
    for number, own, name in includes(path):
        for pattern, folder in NETWORK.items():
            if pattern.match(name) and not where.startswith(folder):
                problem(path, number, f"includes <{name}>", f"that header belongs to {folder} alone")
    if not is_test(path) and where != "live/net/clock.cc":
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if CLOCK.search(line.split("//")[0]):
                problem(path, number, "reads a clock", "only live/net/clock.cc does; take `now`")
    if path.suffix == ".h" and "#pragma once" not in path.read_text():
        problem(path, 1, "no #pragma once", "every header has it")


def main():
    files = sorted(p for p in SRC.rglob("*") if p.suffix in (".h", ".cc"))
    for path in files:
        parts = path.relative_to(SRC).parts
        check_all(path)
        if is_test(path):
            if parts[0] == "core":
                check_core_test(path)
            continue
        if parts[0] == "core":
            check_core(path, parts[1])
        elif parts[0] == "format":
            check_format(path)
        elif parts[0] == "exchange":
            check_exchange(path)
        elif parts[0] == "live":
            check_world(path, "sim")
            check_testing(path)
            if parts[1] in SHARED:
                check_shared(path, parts[1])
        elif parts[0] == "sim":
            check_world(path, "live")
        lines = path.read_text().count("\n")
        if lines > 400 and "table" not in path.name:
            problem(path, lines, f"{lines} lines", "a file has at most 400; split it by meaning")
    for text in problems:
        print(text)
    print(f"{len(files)} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
