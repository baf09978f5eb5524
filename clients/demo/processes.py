"""What runs beside the demo: the gateway, and a mail server that only takes mail and writes down what it took."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: str, condition: Callable[[], object], timeout_s: float = 120) -> object:
    """Waits for a condition and answers what it gave; raises ``TimeoutError`` naming what did not come."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise TimeoutError(f"{what} did not come within {timeout_s:.0f} s")


class Installation:
    """A gateway of its own in ``folder``: settings, commands, and the processes started for it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mail_log = folder / "mail.jsonl"
        self.mail_log.touch()
        self._running: list[subprocess.Popen[str]] = []
        sink = self._start([sys.executable, "-m", "tests.support.smtp_sink", "--log", str(self.mail_log)], "sink")
        self.smtp_url = (sink.stdout.readline() if sink.stdout else "").strip()
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")} | {
            "GATEWAY_DATA_DIR": str(folder / "data"), "GATEWAY_PUBLIC_URL": self.url,
            "GATEWAY_SMTP_URL": self.smtp_url}

    def command(self, *arguments: str, stdin: str = "") -> dict[str, object]:
        """Runs ``gateway ... --json`` and answers the JSON object; raises ``RuntimeError`` with its words."""
        done = subprocess.run([sys.executable, "-m", "gateway", *arguments, "--json"], input=stdin, text=True,
                              capture_output=True, cwd=ROOT, env=self.environ, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"gateway {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    def serve(self) -> None:
        """Starts ``gateway serve`` and waits until it is ready, worker and all."""
        self._start([sys.executable, "-m", "gateway", "serve", "--port", str(self.port)], "gateway")
        wait_until("the gateway", self._is_ready, 60)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def _start(self, arguments: list[str], name: str) -> subprocess.Popen[str]:
        with (self.folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(arguments, cwd=ROOT, text=True, stderr=log, env=getattr(self, "environ", None),
                                       stdout=subprocess.PIPE if name == "sink" else log)
        self._running.append(process)
        return process

    def wait(self) -> None:
        """Keeps serving until the gateway ends or somebody presses Ctrl-C."""
        try:
            self._running[-1].wait()
        except KeyboardInterrupt:
            return

    def stop(self) -> None:
        """Ends what was started, newest first."""
        for process in reversed(self._running):
            process.terminate()
        for process in self._running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()
