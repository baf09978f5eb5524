"""Records anew what real clients write on the wire: ``python -m tests.interop.record [client ...]``.

Each client does its job against a gateway of its own, through the recording proxy; the first request of each operation
is kept in ``tests/data/envelopes``. ``make interop`` installs what is needed, but for pysimplesoap, which is
unmaintained: ``PYSIMPLESOAP=/path/to/python`` names an interpreter that has it, else it is left out.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import suds.client
import zeep

from tests.interop import posting
from tests.support.envelopes import FOLDER, kind_of
from tests.support.installation import Installation
from tests.support.pythonsoap import SudsLibrary, ZeepLibrary, do_main_job
from tests.support.recorder import Recorder, parse
from tests.support.samples import AAPI, AAPI_CSHARP, CSHARP, JAVA, NODE, PERL, PHP, C, Sample, run
from tests.support.smtp_sink import SmtpSink

Job = Callable[[str, Path], None]


def sample(which: Sample) -> Job:
    """The job of one of the samples of ``clients/``."""
    def job(url: str, scratch: Path) -> None:
        done = which.run(which.build(scratch), url)
        assert done.returncode == 0, done.stdout + done.stderr
    return job


def pysimplesoap(script: str) -> Job:
    """A script for the interpreter that has pysimplesoap."""
    def job(url: str, _: Path) -> None:
        run([os.environ["PYSIMPLESOAP"], "-W", "ignore", "-c", script, url, *posting.documents()])
    return job


TYPED: dict[str, Job] = {
    "php": sample(PHP), "node-soap": sample(NODE), "gsoap": sample(C), "jaxws": sample(JAVA), "mono": sample(CSHARP),
    "soap-lite": sample(PERL), "zeep": lambda url, _: do_main_job(ZeepLibrary("1.1"), url) and None,
    "zeep-1.2": lambda url, _: do_main_job(ZeepLibrary("1.2"), url) and None,
    "suds": lambda url, _: do_main_job(SudsLibrary(), url) and None,
    "pysimplesoap": pysimplesoap(posting.PYSIMPLESOAP_TYPED),
}
DOCUMENT: dict[str, Job] = {
    "php": sample(AAPI), "mono": sample(AAPI_CSHARP), "node-soap": posting.node, "soap-lite": posting.perl,
    "jaxws": posting.jaxws, "axis-1": posting.axis,
    "zeep": lambda url, _: posting.python(zeep.Client(str(posting.WSDL)).create_service(posting.BINDING, url), zeep),
    "suds": lambda url, _: posting.python(
        suds.client.Client(posting.WSDL.as_uri(), location=url, cache=None).service, suds),
    "pysimplesoap": pysimplesoap(posting.PYSIMPLESOAP_DOCUMENT),
}


def record(job: Job, path: str) -> Iterator[tuple[str, bytes]]:
    """Operation or kind of document, and the first request of it as it was written."""
    with tempfile.TemporaryDirectory() as scratch, SmtpSink() as sink, Installation(
            Path(scratch) / "server", GATEWAY_SMTP_URL=sink.url) as server:
        server.brand()
        server.serve()
        with Recorder(server.port) as recorder:
            job(f"http://127.0.0.1:{recorder.port}{path}", Path(scratch))
            seen = set()
            for raw in recorder.requests:
                kind = kind_of(parse(raw))
                if kind not in seen:
                    seen.add(kind)
                    yield kind, raw


def main(wanted: list[str]) -> None:
    """Records all clients, or those that are named."""
    for door, path, jobs in (("typed", "/soap/v1", TYPED), ("aapi", "/aapi/InformzService.svc", DOCUMENT)):
        for client, job in jobs.items():
            if wanted and client not in wanted and f"{door}/{client}" not in wanted:
                continue
            if client == "pysimplesoap" and "PYSIMPLESOAP" not in os.environ:
                continue
            folder = FOLDER / door / client
            folder.mkdir(parents=True, exist_ok=True)
            for kind, raw in record(job, path):
                (folder / f"{kind}.http").write_bytes(raw)
                print(door, client, kind, len(raw), "bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
