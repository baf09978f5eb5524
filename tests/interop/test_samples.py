"""Do the samples whose toolchains take long to install do the main job against a real server? (SOAP-87)"""

from __future__ import annotations

import pytest

from tests.interop import posting
from tests.support.samples import AAPI_CSHARP, SLOW, check_document_job, check_main_job, check_refused

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("sample", SLOW, ids=lambda sample: sample.folder)
def test_a_sample_does_the_main_job(sample, tmp_path, server, sink):
    """SOAP-85, SOAP-87: import, create, send, wait, report; a bad record is a result, a refused call a caught fault.

    With a wrong password it ends with 1 and the fault's code and message.
    """
    build = sample.build(tmp_path)
    check_main_job(sample, build, server, sink)
    check_refused(sample, build, server)


def test_a_sample_of_the_document_api_subscribes_and_reads_a_grid(tmp_path, server):
    """aapi.md section 1.3: .NET makes ``string PostInformzMessage(string x)`` of our WSDL."""
    check_document_job(AAPI_CSHARP, AAPI_CSHARP.build(tmp_path), server)


@pytest.mark.parametrize("post", [posting.node, posting.perl, posting.jaxws, posting.axis],
                         ids=lambda post: post.__name__)
def test_generated_clients_post_documents(post, tmp_path, server, capsys):
    """aapi.md section 1: JAX-WS and Axis 1 make ``String postInformzMessage(String)`` of it; each sees the code."""
    post(f"{server.url}/aapi/InformzService.svc", tmp_path)
    printed = capsys.readouterr().out
    assert "<Status>success</Status>" in printed and '<Field element="Email">ann@example.org</Field>' in printed
    assert printed.rstrip().endswith("fault UnknownActionException")
