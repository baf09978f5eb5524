"""Are the configurations that the documentation shows ones that the bridges take?"""

import json

import pytest

from gateway.bridges import registry
from tests.support.installation import ROOT
from tests.support.markdown import blocks

SHOWN = [(name, json.loads(block.text)) for name in ("adding-a-bridge.md", "operations.md")
         for block in blocks(ROOT / "docs" / name) if block.language == "json"]


@pytest.mark.parametrize("kind", ["sql", "http", "folder"])
@pytest.mark.parametrize("document", ["adding-a-bridge.md", "operations.md"])
def test_each_document_shows_a_configuration_of_each_kind_that_is_taken(document, kind):
    key = {"sql": "members", "http": "auth", "folder": "folder"}[kind]
    (config,) = [config for name, config in SHOWN if name == document and key in config and "wsdl" not in config
                 and (kind == "http") == ("auth" in config)]
    registry.check(kind, config)


def test_the_configuration_of_a_soap_service_is_taken():
    (config,) = [config for _, config in SHOWN if "wsdl" in config]
    registry.check("soap", config)
