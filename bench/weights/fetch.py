#!/usr/bin/env python3
"""`tidegate weights fetch` against curl: one large file, nginx on the loopback, the same disk.

  bench/weights/fetch.py TIDEGATE [--gigabytes 2] [--rounds 5] [--folder /var/tmp]

Rounds alternate; the median of each is printed, and the ratio. Ours computes SHA-256 and syncs every
range to the disk, which curl does not: `sha256sum` and `sync` after curl are given beside it.
"""
import argparse
import hashlib
import json
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

NGINX = """daemon off; pid {dir}/pid; error_log {dir}/error.log; worker_processes 2;
events {{ }}
http {{ access_log off; sendfile on; client_body_temp_path {dir}; proxy_temp_path {dir};
  fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  server {{ listen 127.0.0.1:{port}; root {dir}/files; }} }}
"""


def timed(*command):
    begin = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--gigabytes", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default="/var/tmp")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="tidegate-weights-", dir=options.folder))
    (folder / "files").mkdir()
    size = int(options.gigabytes * 1e9)
    piece, digest = pathlib.Path("/dev/urandom").open("rb").read(1 << 20), hashlib.sha256()
    with (folder / "files/w").open("wb") as out:
        for at in range(0, size, len(piece)):
            part = piece[:size - at]
            out.write(part)
            digest.update(part)
    (folder / "files/m.json").write_text(json.dumps(
        {"name": "m", "files": [{"path": "w", "size": size, "sha256": digest.hexdigest()}]}))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "conf").write_text(NGINX.format(dir=folder, port=port))
    nginx = subprocess.Popen(["nginx", "-c", folder / "conf"], stderr=subprocess.DEVNULL)
    times = {"curl": [], "curl, sync, sha256sum": [], "tidegate": []}
    try:
        url = f"http://127.0.0.1:{port}"
        while subprocess.run(["curl", "-sf", "-o", "/dev/null", f"{url}/m.json"]).returncode != 0:
            time.sleep(0.05)
        for _ in range(options.rounds):
            target = folder / "by-curl"
            took = timed("curl", "-sf", "-o", target, f"{url}/w")
            times["curl"].append(took)
            times["curl, sync, sha256sum"].append(took + timed("sync", target) + timed("sha256sum", target))
            target.unlink()
            times["tidegate"].append(timed(options.binary, "weights", "fetch", "--from", f"{url}/m.json",
                                           "--to", folder / "cache"))
            shutil.rmtree(folder / "cache")
    finally:
        nginx.terminate()
        nginx.wait()
        shutil.rmtree(folder)
    base = statistics.median(times["curl"])
    for name, all_of in times.items():
        median = statistics.median(all_of)
        print(f"{name:22}  {median:6.2f} s  {size / median / 1e6:7.0f} MB/s  {base / median:.2f} x curl")


if __name__ == "__main__":
    main()
