"""What the benches that look at Tidegate from outside share: processes, ports, CPU time."""

import json
import os
import re
import signal
import socket
import subprocess
import time

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pid):
    """User and system time of all threads: utime + stime, in ns instead of ticks of 10 ms."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def wait_for_port(port, process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args[0]} ended with {process.returncode} before it served")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.002)
    raise SystemExit(f"{process.args[0]} did not listen on {port} in {seconds} s")


class Crew:
    """Processes that end with the `with` block, however it ends."""

    def __enter__(self):
        self.processes = []
        return self

    def __exit__(self, *_):
        for seconds in (5, 10):  # the second signal stops `tidegate run` and its engines at once
            for process in reversed(self.processes):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
            for process in reversed(self.processes):
                try:
                    process.wait(seconds)
                except subprocess.TimeoutExpired:
                    pass
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def start(self, command, **options):
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen(command, **options)
        self.processes.append(process)
        return process

    def tidegate_run(self, build, directory, spec):
        """`tidegate run` of the spec text on free ports -> (process, gateway port, admin port)."""
        path = os.path.join(directory, "model.yaml")
        with open(path, "w") as f:
            f.write(spec)
        gateway, admin = free_port(), free_port()
        log = open(os.path.join(directory, "tidegate.log"), "w")
        command = [os.path.join(build, "tidegate"), "run", "-f", path,
                   "--listen", f"127.0.0.1:{gateway}", "--admin", f"127.0.0.1:{admin}",
                   "--state", os.path.join(directory, "state"), "--log-level", "warn"]
        process = self.start(command, cwd=directory, stderr=log, stdout=log)
        return process, gateway, admin


def machine():
    """One line: processor, cores, kernel, load, commit."""
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    here = os.path.dirname(os.path.abspath(__file__))
    commit = subprocess.run(["git", "-C", here, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    return {"cpu": model.group(1) if model else "?", "cores": os.cpu_count(),
            "kernel": os.uname().release, "load": os.getloadavg()[0], "commit": commit}


def emit(results):
    print(json.dumps({"schemaVersion": 1, "machine": machine(), "results": results}, indent=1))
