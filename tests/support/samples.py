"""How are the samples of ``clients/`` built, run and checked? As their READMEs say, against a real server."""

from __future__ import annotations

import email
import email.policy
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.installation import PASSWORD, ROOT, Installation
from tests.support.smtp_sink import SmtpSink

CLIENTS = ROOT / "clients"
DOCUMENT_PRINTED = re.compile(r"""success: 2 new
caught UnknownActionException: .+
1: ann\.\w+@example\.org 9\d+
2: bo\.\w+@example\.org 9\d+
""")
Command = Callable[[Path], Sequence[str | Path]]
PRINTED = re.compile(r"""received 3, failed 1
record 2: INVALID_EMAIL: .+
caught NOT_FOUND: .+
mailing \d+, instance \d+
targeted 2, sent 2, delivered 2
""")


@dataclass(frozen=True, slots=True)
class Sample:
    """One of the samples: its folder, the word in its people's addresses, how it is run after it was built."""

    folder: str
    word: str
    command: Command
    made: bool = False

    def build(self, scratch: Path) -> Path:
        """Generates and compiles what is generated and compiled; answers the build folder, below ``scratch``."""
        folder = scratch / self.folder.replace("/", "-")
        if self.made:
            run(["make", "-s", "-C", CLIENTS / self.folder, f"BUILD={folder}"])
        return folder

    def run(self, build: Path, url: str, password: str = PASSWORD, brand: int = 9999,
            ) -> subprocess.CompletedProcess[str]:
        """Runs the built sample against an address; it may end as it likes."""
        return run(self.command(build), code=None, GATEWAYCLIENT_URL=url, GATEWAYCLIENT_PASSWORD=password,
                   GATEWAYCLIENT_USER="apiuser", GATEWAYCLIENT_BRAND=str(brand))


def run(command: Sequence[str | Path], code: int | None = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs a foreign program and checks its exit code, unless ``code`` is None."""
    assert shutil.which(command[0]), f"The tests need {command[0]}: `make test` or `make interop` as root installs it."
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=False,
                          env=os.environ | environ)
    assert code is None or done.returncode == code, f"{command} ended so:\n{done.stdout}{done.stderr}"
    return done


JARS = "/usr/share/java"
SAAJ = "-Djavax.xml.soap.SAAJMetaFactory=com.sun.xml.messaging.saaj.soap.SAAJMetaFactoryImpl"
PHP = Sample("php", "php", lambda _: ["php", CLIENTS / "php/sample.php"])
NODE = Sample("node", "node", lambda _: ["node", CLIENTS / "node/sample.mjs"])
C = Sample("c", "c", lambda build: [build / "sample"], made=True)
JAVA = Sample("java", "java", lambda build: ["java", "-cp", f"{build}/classes:{JARS}/jaxws-rt.jar", SAAJ, "Sample"],
              made=True)
CSHARP = Sample("csharp", "cs", lambda build: ["mono", build / "Sample.exe"], made=True)
PERL = Sample("perl", "perl", lambda _: ["perl", CLIENTS / "perl/sample.pl"])
AAPI = Sample("aapi/php", "aapiphp", lambda _: ["php", CLIENTS / "aapi/php/sample.php"])
AAPI_CSHARP = Sample("aapi/csharp", "aapics", lambda build: ["mono", build / "Sample.exe"], made=True)
FAST, SLOW = (PHP, NODE, C), (JAVA, CSHARP, PERL)


def check_main_job(sample: Sample, build: Path, server: Installation, sink: SmtpSink) -> None:
    """Runs the sample: two of three people are imported and mailed to, the third and one call are refused."""
    done = sample.run(build, f"{server.url}/soap/v1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert PRINTED.fullmatch(done.stdout) and done.stderr == "", done.stdout + done.stderr
    check_mails(sample.word, sink)


def check_document_job(sample: Sample, build: Path, server: Installation) -> None:
    """Runs a sample of the document API: two people are subscribed and read from a grid, an action is refused."""
    url = f"{server.url}/aapi/InformzService.svc"
    done = sample.run(build, url)
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    assert DOCUMENT_PRINTED.fullmatch(done.stdout), done.stdout
    assert f"ann.{sample.word}@example.org" in done.stdout and f"bo.{sample.word}@example.org" in done.stdout
    refused = sample.run(build, url, password="wrong")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("InvalidCredentialsException: "), refused.stderr


def check_mails(word: str, sink: SmtpSink) -> None:
    """The mail server got one message for each of the two people, with their names."""
    ours = f".{word}@example.org"
    mails = {address: message.data for message in list(sink.messages) for address in message.envelope_to
             if address.endswith(ours)}
    assert set(mails) == {f"ann{ours}", f"bo{ours}"}
    assert "Dear Zoë &amp; Ann, hello" in _html(mails[f"ann{ours}"])
    assert "Dear member, hello" in _html(mails[f"bo{ours}"])


def check_refused(sample: Sample, build: Path, server: Installation) -> None:
    """With a wrong password it ends with 1 and says the fault's code and message."""
    done = sample.run(build, f"{server.url}/soap/v1", password="wrong")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("NOT_AUTHENTICATED: "), done.stderr


def _html(data: bytes) -> str:
    body = email.message_from_bytes(data, policy=email.policy.default).get_body(("html",))
    assert body is not None
    return str(body.get_content())
