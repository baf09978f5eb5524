"""How does a test run a whole installation? A folder, ``python -m gateway`` as a person types it, a real server."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

from gateway import app
from gateway.domain.accounts import SCOPES, system_actor
from gateway.services.gateway import Gateway
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent
PASSWORD = "open sesame"


def free_port() -> int:
    """A port of 127.0.0.1 that is free now, below the range from which other tests' sockets get theirs."""
    for port in random.SystemRandom().sample(range(20000, 32000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")


def clean_environ(**more: str) -> dict[str, str]:
    """This process's environment without settings of ours, with the virtual environment's programs first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return kept | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
                   "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1"} | more


class Installation:
    """A gateway of its own in ``folder``, with the settings a person would export. Ends what it started on exit."""

    def __init__(self, folder: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = clean_environ(**{
            "GATEWAY_DATA_DIR": str(folder / "data"), "GATEWAY_PUBLIC_URL": self.url,
            "GATEWAY_SMTP_URL": "smtp://127.0.0.1:9", **settings})
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Installation:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            stop(process)

    def run(self, *arguments: str | Path, stdin: str = "", code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs ``python -m gateway`` with these arguments and checks its exit code and that nothing was traced back."""
        done = subprocess.run([sys.executable, "-m", "gateway", *map(str, arguments)], input=stdin, text=True,
                              capture_output=True, cwd=self.folder, env=self.environ, check=False, timeout=120)
        assert code is None or done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ask(self, *arguments: str | Path, stdin: str = "", code: int | None = 0) -> dict[str, Any]:
        """Runs a command with ``--json`` and answers its one JSON object."""
        answer: dict[str, Any] = json.loads(self.run(*arguments, "--json", stdin=stdin, code=code).stdout)
        return answer

    def brand(self, number: int = 9999) -> str:
        """What ``init`` and the ``add`` commands do, in this process: a brand, an admin ``apiuser``, an API key.

        The key is answered; the password is :data:`PASSWORD`. Four processes less to wait for.
        """
        app.initialise(self._settings_file())
        with self.services() as gateway:
            app.accounts.add_brand(gateway, number, "Test Brand", [])
            with gateway.unit(system_actor(number, "cli")) as unit:
                app.accounts.add_user(unit, "apiuser", PASSWORD, "admin")
                return app.accounts.add_key(unit, "api", SCOPES)[1]

    @contextmanager
    def services(self) -> Iterator[Gateway]:
        """The installation's gateway in this process, to prepare or to look at what a door cannot."""
        with closing(app.open_gateway(self._settings_file())) as gateway:
            yield gateway

    def _settings_file(self) -> Path:
        config = self.folder / "gateway.env"
        config.write_text("".join(f"{name}={value}\n" for name, value in self.environ.items()
                                  if name.startswith("GATEWAY_")))
        return config

    def start(self, *arguments: str, name: str = "serve") -> subprocess.Popen[bytes]:
        """Starts a command that goes on; its output goes to ``<name>.log`` in the folder."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "gateway", *arguments], cwd=self.folder,
                                       env=self.environ, stdout=log, stderr=log)
        self._running.append(process)
        return process

    def serve(self, *arguments: str, ready: bool = True) -> subprocess.Popen[bytes]:
        """Starts ``serve`` on our port; ``ready``: waits until database and worker are, else until it answers."""
        process = self.start("serve", "--port", str(self.port), *arguments)

        def answers() -> bool:
            assert process.poll() is None, f"serve ended with {process.returncode}: {self.log()}"
            return self.get("/readyz" if ready else "/healthz")[0] == 200

        wait_for(answers, "the server", 60)
        return process

    def log(self, name: str = "serve") -> str:
        """What a started command has written."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Status and text of an address; status 0 while nothing answers."""
        return self.fetch("GET", path, headers=headers)

    def fetch(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None,
              ) -> tuple[int, str]:
        """Status and text of a request; status 0 while nothing answers."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (OSError, HTTPException):
            return 0, ""


def stop(process: subprocess.Popen[Any], timeout_s: float = 30) -> int:
    """Ends a process as an operator does (SIGTERM) and answers its exit code; it fails if it will not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"the process did not end within {timeout_s:g} s of SIGTERM") from None


def children_of(pid: int) -> Sequence[int]:
    """The processes whose parent is ``pid``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry.name))
    return sorted(found)
