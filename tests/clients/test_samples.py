"""Do clients in other languages and libraries do the main job against a real server? (SOAP-87)

The quick ones; ``make interop`` runs the others too (``tests/interop``). ``.ci/os-packages`` installs what they need.
"""

from __future__ import annotations

import pytest

from tests.support.pythonsoap import SudsLibrary, ZeepLibrary, do_main_job
from tests.support.samples import AAPI, FAST, check_document_job, check_mails, check_main_job, check_refused

LIBRARIES = (ZeepLibrary("1.1"), ZeepLibrary("1.2"), SudsLibrary())


def test_every_quick_client_does_its_job(subtests, tmp_path, server, sink):
    """SOAP-85, SOAP-87: one test, so that one server is enough however the tests are spread over processes."""
    for sample in FAST:
        with subtests.test(sample.folder):
            build = sample.build(tmp_path)
            check_main_job(sample, build, server, sink)
            check_refused(sample, build, server)
    for library in LIBRARIES:
        with subtests.test(library.word):
            check_library(library, f"{server.url}/soap/v1")
            check_mails(library.word, sink)
    with subtests.test(AAPI.folder):  # aapi.md sections 1, 5 and 7: in the style of existing integrations
        check_document_job(AAPI, AAPI.build(tmp_path), server)


def check_library(library, url):
    """A library of Python does the main job: the bad record is a result, refused calls are faults with their code."""
    told = do_main_job(library, url)
    assert [told["imported"].received, told["imported"].failed] == [3, 1]
    assert [(result.index, result.code) for result in told["imported"].result if result.status == "failed"] == [
        (2, "INVALID_EMAIL")]
    assert told["refused"] == ("NOT_FOUND", "There is no mailing of this id.")
    assert (told["report"].targeted, told["report"].sent, told["report"].delivered) == (2, 2, 2)
    with pytest.raises(library.failure) as caught:
        library.connect(url, password="wrong")("GetMailing", mailingId="1")
    assert library.refused(caught.value)[0] == "NOT_AUTHENTICATED"
