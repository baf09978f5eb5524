"""Can a second person do, with only the README, what it promises?"""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.support.installation import ROOT, clean_environ, free_port
from tests.support.markdown import blocks, last_json
from tests.support.waiting import wait_for

README = ROOT / "README.md"
CLONE = "git clone <this repository> gateway && cd gateway && make venv && . .venv/bin/activate\n"


@pytest.fixture
def folder(tmp_path):
    """A folder for the walk; what it starts is ended by process id."""
    yield tmp_path
    if (tmp_path / "pids").exists():
        for pid in map(int, (tmp_path / "pids").read_text().split()):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
            wait_for(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), f"the end of process {pid}")


def test_the_walk_from_nothing_to_a_report(folder):
    """README, From nothing to a report: six people are targeted and six messages are at the mail server."""
    client, walk = (block.text for block in blocks(README) if block.language == "python"), ""
    for block in blocks(README):
        walk = block.text if block.text.startswith("git clone") else walk
    web, mail = free_port(), free_port()
    (folder / "import3.py").write_text(_moved(next(client), web, mail), encoding="utf-8")
    assert walk.startswith(CLONE)
    script = _moved(walk.removeprefix(CLONE), web, mail).replace("gateway serve &", f"gateway serve --port {web} &")
    assert f"serve --port {web} &" in script
    wrapped = f"set -e\nexec > said 2> log\ntrap 'jobs -p > pids' EXIT\n{script}"
    done = subprocess.run(["bash", "-c", wrapped], cwd=folder, check=False, timeout=180,
                          env=clean_environ(GATEWAY_PUBLIC_URL=f"http://127.0.0.1:{web}"))
    said, log = (folder / "said").read_text(), (folder / "log").read_text()
    assert done.returncode == 0 and "Traceback" not in log, said + log
    assert [line.split()[1] for line in said.splitlines() if line.endswith(("ID-13", "ID-14"))] == ["created"] * 3
    report = last_json(said)
    assert (report["targeted"], report["sent"], report["delivered"]) == (6, 6, 6), report
    letters = folder / "mail.jsonl"
    wait_for(lambda: len(letters.read_text().splitlines()) == 6, "six messages", 60)
    people = sorted(json.loads(line)["to"][0] for line in letters.read_text().splitlines())
    assert people == [f"{name}@example.org" for name in ("ann", "bo", "cy", "di", "ed", "fay")]


def _moved(text: str, web: int, mail: int) -> str:
    """The same on ports that are free here."""
    return text.replace("127.0.0.1:8080", f"127.0.0.1:{web}").replace("2525", str(mail))
