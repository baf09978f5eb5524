"""Does the main job run from end to end, through real sockets, with numbers that add up? (OPS-1)"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_adds_up():
    """``make demo``: import over SOAP and PUSH, sync, send, read, report, write back; exit code 0."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    done = subprocess.run([sys.executable, "clients/demo/run.py"], cwd=ROOT, env=environ, text=True,
                          capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All numbers add up." in done.stdout and "WRONG" not in done.stdout
    assert done.stderr == ""
