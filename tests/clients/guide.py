"""Runs the programs of docs/clients.md as they are printed, against a real service.

Each section is done in a folder of its own, where `proto` is the repository's: a block that follows the
name of a file is that file, and blocks of shell commands are run in order. The last of them asks for a list, and
must print one: once while the service has room, and once while it refuses until the program has been refused.

Needs `cargo build --release`, python3 with venv, node with npm, Go, Maven with a JDK, and curl.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "target/ci-tools"
# How long anything may take before it counts as not happening.
PATIENCE = 120
# A machine that stands still for as long as all attempts take is no fault of the program's.
ROUNDS = 5
# Behind colours, which Maven writes to whatever it is.
LIST = re.compile(r'^(?:\x1b\[\d*m)*1 travel-\d+ \w|"itemId":"travel-\d+"', re.MULTILINE)


class Failed(Exception):
    pass


def sections(text):
    """The sections that have programs: title, and blocks of (file name or None, content)."""
    for section in text.split("\n## ")[1:]:
        title = section.splitlines()[0]
        blocks = []
        for name, language, content in re.findall(r"(?:`([^`\s]+)`:\n\n)?```(\w+)\n(.*?)```", section, re.DOTALL):
            if not name and language != "sh":
                raise Failed(f"{title}: a block of {language} has no file name before it")
            blocks.append((name or None, content))
        if blocks:
            yield title, blocks


def free_ports():
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Service:
    """The real binary, which takes one request at a time."""

    def __init__(self, folder):
        self.grpc, self.http = free_ports()
        self.log = open(folder / "server.log", "w+")
        binary = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/headwater"
        if not binary.exists():
            raise Failed(f"{binary} is missing. Run: cargo build --release")
        options = {
            "data.dir": folder / "data",
            "server.grpc_addr": f"127.0.0.1:{self.grpc}",
            "server.http_addr": f"127.0.0.1:{self.http}",
            "server.max_concurrent_requests": 1,
            "server.shutdown_delay": "0s",
        }
        sets = [part for key, value in options.items() for part in ("--set", f"{key}={value}")]
        self.process = subprocess.Popen([binary, "serve", *sets], stdout=self.log, stderr=subprocess.STDOUT)

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("the service does not stop")
        if code != 0:
            raise Failed(f"the service ended with {code}")

    def until(self, what, holds):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                if holds():
                    return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed(f"not so: {what}")
            time.sleep(0.005)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=PATIENCE)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def call(self, method, request):
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=PATIENCE)
        headers = {"content-type": "application/json"}
        connection.request("POST", f"/headwater.v1.{method}", json.dumps(request), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        if answer.status != 200:
            raise Failed(f"{method}: {body}")
        return body

    def keep_busy(self):
        """Large batches, one after the other: nearly always one is in flight, and others are refused."""
        events = [
            {"userId": f"busy-{n % 100}", "itemId": "travel-60", "type": "impression", "ts": "2026-01-01T00:00:00Z"}
            for n in range(10_000)
        ]
        return Busy(self, json.dumps({"events": events}).encode())

    def metric(self, name):
        lines = [line for line in self.get("/metrics")[1].splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def refused(self):
        return self.metric('headwater_shed_requests_total{reason="in_flight"}')


class Busy:
    """Who publishes without a pause until it is closed."""

    def __init__(self, service, body):
        self.service, self.body, self.refused, self.closed = service, body, 0, False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.service.http, timeout=PATIENCE)
        headers = {"content-type": "application/json"}
        while not self.closed:
            connection.request("POST", "/headwater.v1.EventService/Publish", self.body, headers)
            answer = connection.getresponse()
            answer.read()
            self.refused += answer.status == 429
        connection.close()

    def close(self):
        self.closed = True
        self.thread.join()


class Section:
    def __init__(self, title, blocks, service, scratch):
        self.title, self.service = title, service
        self.folder = scratch / title.replace(" ", "-").lower()
        self.folder.mkdir()
        (self.folder / "proto").symlink_to(ROOT / "proto")
        self.commands = []
        for name, content in blocks:
            content = self.with_our_ports(content)
            if name:
                file = self.folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            else:
                self.commands.append(content)

    def with_our_ports(self, text):
        text = text.replace('"127.0.0.1", 7400', f'"127.0.0.1", {self.service.grpc}')
        text = text.replace("127.0.0.1:7400", f"127.0.0.1:{self.service.grpc}")
        return text.replace("127.0.0.1:7401", f"127.0.0.1:{self.service.http}")

    def begin(self, command):
        path = f"{TOOLS / 'guide'}:{os.environ['PATH']}"
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, command, process):
        out, _ = process.communicate(timeout=5 * PATIENCE)
        if process.returncode != 0:
            raise Failed(f"{self.title}: exit code {process.returncode} of\n{command}\n{out}")
        return out

    def run(self):
        *setup, ask = self.commands
        for command in setup:
            self.end(command, self.begin(command))
        out = self.end(ask, self.begin(ask))
        if not LIST.search(out):
            raise Failed(f"{self.title}: no list in\n{out}")
        for _ in range(ROUNDS):
            out, refused = self.refused_at_first(ask)
            if refused and LIST.search(out):
                return
        raise Failed(f"{self.title}: a program that is refused at first does not get its list:\n{out}")

    def refused_at_first(self, ask):
        before = self.service.refused()
        busy = self.service.keep_busy()
        process = self.begin(ask)
        try:
            self.service.until(
                "the program is refused, or done",
                lambda: self.service.refused() - busy.refused > before or process.poll() is not None,
            )
        finally:
            busy.close()
        refused = self.service.refused() - busy.refused > before
        return process.communicate(timeout=PATIENCE)[0], refused


def protoc():
    """The `protoc` that a system has, from a package of Python's."""
    folder, venv = TOOLS / "guide", TOOLS / "python"
    if not (venv / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", ROOT / "tests/clients/python/requirements.txt"], check=True)
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "protoc"
    script.write_text(f'#!/bin/sh\nexec "{venv}/bin/python" -m grpc_tools.protoc "$@"\n')
    script.chmod(0o755)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", nargs="*", help="the titles of the sections to run; all if none is named")
    wanted = parser.parse_args().section
    protoc()
    scratch = Path(tempfile.mkdtemp(prefix="headwater-clients-"))
    service = None
    try:
        service = Service(scratch)
        service.until("the service is ready", lambda: service.get("/readyz")[0] == 200)
        items = [{"item_id": f"travel-{n}", "categories": ["travel"]} for n in range(60, 70)]
        service.call("CatalogService/PutItems", {"items": items})
        service.until("the items are known", lambda: service.metric("headwater_catalog_items") == len(items))
        done = 0
        for title, blocks in sections((ROOT / "docs/clients.md").read_text()):
            if wanted and title not in wanted:
                continue
            started = time.monotonic()
            Section(title, blocks, service, scratch).run()
            done += 1
            print(f"{title}: {time.monotonic() - started:.0f} s", flush=True)
        if done == 0:
            raise Failed("docs/clients.md has no such section")
        service.stop()
    finally:
        if service and service.process.poll() is None:
            service.process.kill()
            service.process.wait()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except (Failed, subprocess.SubprocessError) as failure:
        sys.exit(f"docs/clients.md: {failure}")
