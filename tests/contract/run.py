"""Tries the whole contract: starts a real server, lets schemathesis send it thousands of requests made from the server's own
document, and expects no finding.

    run.py PROGRAM [--cases 5000] [--seed 20261122] [--report FOLDER]

PROGRAM is the built `miteos`. The server has a data folder of its own, is called with its test key, and reaches nothing but
this machine. Runs in the environment that scripts/test-clients.sh installs.
"""

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
# A server that does not start or stop within this time is taken for dead (s).
PATIENCE = 60
# Operations with few ways to call them give fewer cases than are asked for; the others make up for it.
SPARE = 1.6
# What no line of the server's log may say.
WRONG_IN_LOG = ("panicked", "ERROR")


class Receiver(BaseHTTPRequestHandler):
    """Takes every event."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def call(url, key, method="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Authorization": f"Bearer {key}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as response:
        return json.load(response)


class Server:
    def __init__(self, program, folder):
        self.log = folder / "server.log"
        # Nothing of the machine's own settings: no providers, no proxies.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(folder),
            "MITEOS_DATA_DIR": str(folder / "data"),
            "MITEOS_LISTEN": "127.0.0.1:0",
            "MITEOS_EGRESS_ALLOW": "127.0.0.1/32",
            "MITEOS_LOG": "warn",
            # Turned on, so that they are refused for the key that is shown and not as turned off.
            "MITEOS_METRICS_TOKEN": "the-contract-run-does-not-read-them",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, "serve", "--json"], stdout=subprocess.PIPE, stderr=log, env=environment, cwd=folder, text=True
            )
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        started = self.read_started()
        timer.cancel()
        self.url = started["url"]
        keys = started["keys"] or json.loads((folder / "data" / "keys.json").read_text())
        self.key = keys["test"]

    def read_started(self):
        text = ""
        for line in self.process.stdout:
            text += line
            try:
                return json.loads(text)
            except json.JSONDecodeError:
                continue
        sys.exit(f"the server did not start:\n{self.log.read_text()}")

    def stop(self):
        """Stops it and gives its exit code: that of a crash, if it has ended already."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            sys.exit("the server did not stop")


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=20_261_122)
    parser.add_argument("--report", type=Path)
    return parser.parse_args()


def run(asked, server, receiver, folder):
    """Runs schemathesis and gives its exit code and its report."""
    document = call(f"{server.url}/v1/openapi.json", server.key)
    operations = sum(len(methods) for methods in document["paths"].values())
    own = call(f"{server.url}/v1/api-keys", server.key)[0]["id"]
    # There are events to be read from the beginning on.
    call(f"{server.url}/v1/tasks", server.key, "POST", {"prompt": "[test:deliverable=1kb] Write a file."})
    report = folder / "report.json"
    # What it leaves behind is left in the folder, too.
    for name in ("hooks.py", "schemathesis.toml"):
        shutil.copy(HERE / name, folder)
    command = [
        Path(sys.executable).parent / "schemathesis",
        "--config-file", folder / "schemathesis.toml",
        "run", f"{server.url}/v1/openapi.json",
        "--header", f"Authorization: Bearer {server.key}",
        "--checks", "all",
        "--seed", str(asked.seed),
        "--max-examples", str(math.ceil(SPARE * asked.cases / operations)),
        "--report-json-path", report,
        "--no-color",
    ]
    environment = {
        **os.environ,
        "CONTRACT_RECEIVER": f"http://127.0.0.1:{receiver.server_port}",
        "CONTRACT_OWN_KEY": own,
        # The same texts have the same places in every run.
        "PYTHONHASHSEED": "0",
        "NO_PROXY": "127.0.0.1",
    }
    status = subprocess.run([str(part) for part in command], env=environment, cwd=folder, check=False).returncode
    return status, json.loads(report.read_text()) if report.exists() else {}


def main():
    asked = options()
    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="miteos-contract-") as name:
        folder = Path(name)
        server = Server(str(Path(asked.program).resolve()), folder)
        try:
            status, report = run(asked, server, receiver, folder)
        finally:
            stopped = server.stop()
        log = server.log.read_text(errors="replace")
        if asked.report:
            asked.report.mkdir(parents=True, exist_ok=True)
            (asked.report / "report.json").write_text(json.dumps(report, indent=1))
            (asked.report / "server.log").write_text(log)
    problems = found(asked, status, report)
    problems += [f"the server's log says: {line}" for line in log.splitlines() if any(w in line for w in WRONG_IN_LOG)][:10]
    if stopped != 0:
        problems.append(f"the server ended with {stopped}")
    if problems:
        sys.exit("\n".join(["the contract does not hold:", *problems]))
    counted, tested = report["test_cases"]["generated"], report["operations"]["tested"]
    print(f"contract: {counted} requests, {tested} operations, seed {asked.seed}, nothing found")


def found(asked, status, report):
    """What is wrong with a run, in sentences."""
    if not report:
        return [f"schemathesis ended with {status} and left no report"]
    cases, operations = report["test_cases"], report["operations"]
    problems = [f"{one['title']}: {one['count']} times, {', '.join(one['operations'])}" for one in report["failures"]]
    problems += [f"{one['title']}: {one['count']} times" for one in report["errors"]]
    problems += [f"{name} was {phase['status']}" for name, phase in report["phases"].items() if phase["status"] != "success"]
    checked = cases["generated"] - cases["without_checks"]
    if checked < asked.cases:
        problems.append(f"{checked} requests were checked, and {asked.cases} should have been")
    if operations["tested"] != operations["total"]:
        problems.append(f"{operations['tested']} of {operations['total']} operations were tried")
    if status != 0 and not problems:
        problems.append(f"schemathesis ended with {status}")
    return problems


if __name__ == "__main__":
    main()
