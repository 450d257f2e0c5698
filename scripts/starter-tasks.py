#!/usr/bin/env python3
"""Runs the README's starter tasks on a real model and says how often each gave a sensible file.

    scripts/starter-tasks.py [--runs 5] [--binary target/release/miteos] [--model local/...] [--only report,table,program]

Each run has a data folder of its own, but for the models, which are linked from the usual one. The web page of the
first task is served on this machine. Exit code 0: each task succeeded at least once.
"""

import argparse
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

PAGE = """<!doctype html><html><head><title>The Lighthouse of Skerry Point</title></head><body><nav>Home | Visit</nav>
<article><h1>The Lighthouse of Skerry Point</h1>
<p>The lighthouse of Skerry Point was built in 1874 by the engineer Ada Thornbury. It is 41 metres high and stands on a
rock two kilometres off the coast.</p>
<p>Its lamp was run by keepers until 1987; since then it works by itself. A storm in 1903 destroyed the first pier, which
was rebuilt in granite the year after.</p>
<p>Today the tower is a museum that about 12,000 people visit each year. The climb has 186 steps.</p></article></body></html>"""

SALES = "region,month,amount\nnorth,January,10\nsouth,January,25\nnorth,February,20\neast,January,5\nsouth,February,40\neast,February,7\nnorth,March,30\n"

TIMEOUT_S = 1800


def text_of(out):
    """All the text files of an output folder, as one lower-case text."""
    parts = []
    for path in sorted(out.rglob("*")):
        if path.is_file():
            parts.append(path.name + "\n" + path.read_text(errors="replace"))
    return "\n".join(parts).lower()


def has_report(out):
    text = text_of(out)
    return "1874" in text and ("thornbury" in text or "41" in text) and len(text) > 120


def has_totals(out):
    """Each region with its own sum, in the table that was asked for, and no region with another."""
    for path in out.rglob("totals.csv"):
        pairs = re.findall(r"^\W*(north|south|east)\W+(\d+)(?:\.0+)?\W*$", path.read_text(errors="replace").lower(), re.M)
        return sorted(pairs) == [("east", "12"), ("north", "60"), ("south", "65")]
    return False


def printed_by(path):
    """What a program prints, run without network and with an empty folder to write in."""
    shut = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc",
            "--tmpfs", "/mnt", "--ro-bind", str(path), "/mnt/program.py", "--chdir", "/mnt"]
    if not shutil.which("bwrap"):
        sys.exit("bubblewrap is not there, and what a model wrote is not run without it: ./scripts/setup.sh --tests")
    run = subprocess.run(shut + [sys.executable, "-I", "/mnt/program.py"], capture_output=True, text=True, timeout=20)
    return run.stdout


def has_program(out):
    below_50 = [str(n) for n in range(2, 50) if all(n % m for m in range(2, n))]
    for path in out.rglob("*.py"):
        try:
            if re.findall(r"\d+", printed_by(path)) == below_50:
                return True
        except subprocess.TimeoutExpired:
            pass
    return False


def tasks(port):
    return {
        "report": (f"Read the web page http://127.0.0.1:{port}/ and write a short report about it as report.md", [], has_report),
        "table": ("Add up the amounts in sales.csv for each region with a Python program and publish the totals as totals.csv",
                  [("sales.csv", SALES)], has_totals),
        "program": ("Write a Python program primes.py that prints all prime numbers below 50, run it, and publish primes.py", [], has_program),
    }


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def run(binary, models, model, prompt, files, good, keep):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="miteos-starter-"))
    data = folder / "data"
    data.mkdir()
    if models.is_dir():
        (data / "models").symlink_to(models)
    command = [binary, "run", "--data-dir", str(data), "--out", str(folder / "out"), "--yes"]
    if model:
        command += ["--model", model]
    for name, content in files:
        (folder / name).write_text(content)
        command += ["--file", name]
    environment = dict(os.environ, MITEOS_EGRESS_ALLOW="127.0.0.0/8", NO_COLOR="1")
    begun = time.monotonic()
    log = folder / "log.txt"
    with log.open("w") as sink:
        try:
            code = subprocess.run(command + [prompt], cwd=folder, env=environment, stdout=sink, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, timeout=TIMEOUT_S).returncode
        except subprocess.TimeoutExpired:
            code = "time-out"
    out = folder / "out"
    ok = code == 0 and out.is_dir() and good(out)
    print(f"  {'ok  ' if ok else 'FAIL'} exit {code}, {time.monotonic() - begun:.0f} s, {log}", flush=True)
    if keep or not ok:
        print("    " + "\n    ".join(log.read_text(errors="replace").splitlines()[-25:]), flush=True)
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--binary", default="target/release/miteos")
    parser.add_argument("--models", default=str(pathlib.Path.home() / ".local/share/miteos/models"))
    parser.add_argument("--model")
    parser.add_argument("--only")
    parser.add_argument("--show", action="store_true", help="print the log's end of good runs, too")
    options = parser.parse_args()
    binary = pathlib.Path(options.binary).resolve()
    if not binary.is_file():
        sys.exit(f"{binary} is not there; build it with: cargo build --release -p miteos --features embedded-llm")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wanted = options.only.split(",") if options.only else None
    score = {}
    for name, (prompt, files, good) in tasks(server.server_address[1]).items():
        if wanted and name not in wanted:
            continue
        print(f"{name}: {prompt}", flush=True)
        results = [run(str(binary), pathlib.Path(options.models), options.model, prompt, files, good, options.show) for _ in range(options.runs)]
        score[name] = (sum(results), len(results))
    print(json.dumps({name: f"{good} of {all}" for name, (good, all) in score.items()}))
    sys.exit(0 if all(good > 0 for good, _ in score.values()) else 1)


if __name__ == "__main__":
    main()
