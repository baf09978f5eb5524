"""An import of any length takes flat memory in the web process. (SOAP-41)"""

import subprocess
import sys
from pathlib import Path

import pytest

MIB = 1024 ** 2


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("member", ["record", "text", "base64"])
def test_memory_is_flat(sqlite_url, tmp_path, member):
    """SOAP-41: 40 MiB under 64 MiB; 200 MB take no more."""
    done = subprocess.run([sys.executable, "-m", "tests.soap.stream_child", sqlite_url, str(tmp_path), member, "40"],
                          capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    status, _, size, more = done.stdout.split()
    assert status == "200" and int(size) > 40 * MIB
    assert int(more) < 64 * MIB, f"{int(more) / MIB:.0f} MiB"
    print(f"{member}: {int(more) / MIB:.0f} MiB more")
