"""Bodies on disk: whole, or not there at all."""

import errno
import gzip
import hashlib
import os
import subprocess
import sys

import pytest

from gateway.errors import GatewayError
from gateway.services import spool


def blocks_then(error, *blocks):
    yield from blocks
    raise error


def test_body_is_kept_as_it_came(tmp_path):
    """PUSH-58: size and SHA-256 of the wire; the folder is made when it is missing."""
    data = b"email\na@example.org\n" * 10_000
    folder = tmp_path / "spool"
    kept = spool.receive(folder, [data[:7], data[7:]])
    assert (kept.size_bytes, kept.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (folder / kept.name).read_bytes() == data
    position, ticks = [0], []
    assert b"".join(spool.blocks_of(folder, kept.name, gzip=False, position=position,
                                     tick=lambda: ticks.append(position[0]))) == data
    assert position == [len(data)] == ticks[-1:]


def test_packed_body_stays_packed(tmp_path):
    """PUSH-58, PUSH-4: unpacked on the way in only to look; the worker unpacks it again."""
    text = b"email\na@example.org\n"
    packed = gzip.compress(text)
    kept = spool.receive(tmp_path, [packed], gzip=True)
    assert kept.size_bytes == len(packed)
    assert b"".join(spool.blocks_of(tmp_path, kept.name, gzip=True, position=[0], tick=lambda: None)) == text


@pytest.mark.parametrize(("blocks", "packed", "error"), [
    (lambda: blocks_then(ConnectionError(), b"half"), False, ConnectionError),
    (lambda: [gzip.compress(b"x" * 1000)[:-4]], True, GatewayError), (lambda: [b"plain"], True, GatewayError)])
def test_broken_body_leaves_no_file(tmp_path, blocks, packed, error):
    """PUSH-58: the sender goes away, or the packing is damaged."""
    with pytest.raises(error):
        spool.receive(tmp_path, blocks(), gzip=packed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("packed", [False, True])
def test_limits(tmp_path, monkeypatch, packed):
    """PUSH-5, PUSH-94: on the wire and unpacked; the limit runs along, it does not wait for the end."""
    monkeypatch.setattr(spool, "MAX_WIRE_BYTES", 1000)
    monkeypatch.setattr(spool, "MAX_INFLATED_BYTES", 2000)
    endless = (b"x" * 100 for _ in iter(int, 1))
    with pytest.raises(GatewayError) as refused:
        spool.receive(tmp_path, [gzip.compress(b"x" * 5000)] if packed else endless, gzip=packed)
    assert refused.value.code == "TOO_LARGE"
    assert list(tmp_path.iterdir()) == []


def test_tidy_removes_what_nobody_wants(tmp_path):
    """A request that died leaves a file: it goes when it is old; a wanted or a young one stays."""
    wanted, orphan, young = (spool.receive(tmp_path, [b"x"]).name for _ in range(3))
    (tmp_path / "half.part").write_bytes(b"x")
    for name in (wanted, orphan, "half.part"):
        os.utime(tmp_path / name, (1, 1))
    assert spool.tidy(tmp_path, {wanted}, 3600) == 2
    assert {path.name for path in tmp_path.iterdir()} == {wanted, young}
    assert spool.tidy(tmp_path / "missing", set(), 0) == 0


def test_discard_twice(tmp_path):
    """Removing what is gone is no error."""
    kept = spool.receive(tmp_path, [b"x"])
    spool.discard(tmp_path, kept.name)
    spool.discard(tmp_path, kept.name)


WRITER = """
import resource, signal, sys
from pathlib import Path
from gateway.errors import GatewayError
from gateway.services import spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    spool.receive(Path(sys.argv[1]), [b"x" * 64_000] * 4)
except GatewayError as error:
    print(error.code, error.retryable, error.retry_after_s)
"""


def test_no_room(tmp_path):
    """PUSH-58: a body that does not fit is refused for now, and nothing of it stays. The limit is the kernel's own."""
    done = subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["UNAVAILABLE", "True", "60"], done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_for_rejects(tmp_path, monkeypatch, code):
    """PUSH-33: nor a half of the rejected rows; an older whole file stays."""
    name = spool.keep_rejects(tmp_path, "a.body", [b"whole"], gzip=False)

    def full(_handle):
        raise OSError(code, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GatewayError) as refused:
        spool.keep_rejects(tmp_path, "a.body", [b"half"], gzip=False)
    assert refused.value.code == "UNAVAILABLE"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"whole")]
