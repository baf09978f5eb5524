"""Does an answer hold what the OpenAPI document promises, no more and no less?"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
from werkzeug.exceptions import HTTPException

from gateway.push.openapi import document

URL = "http://127.0.0.1:8080"


def closed(node: Any) -> Any:
    """The document's schema in which an answer must not have a member that is not described.

    Callers must ignore unknown members (PUSH-106), so the published document is open; our own tests are not.
    """
    if isinstance(node, list):
        return [closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "allOf" in node:
        return {**node, "unevaluatedProperties": False}
    made = {name: closed(each) for name, each in node.items()}
    return {**made, "unevaluatedProperties": False} if "$ref" in made else made


class Contract:
    """The promises of the application ``app``, mounted at ``base``."""

    def __init__(self, app, base, faces=None):
        self.app, self.base = app, base
        self.document = document(URL, faces or {base: app})
        self._schemas = closed(self.document["components"]["schemas"])
        self._validators: dict[tuple[str, str, str, str], Any] = {}

    def responses(self, method, path):
        """The described answers to this request; None when no route takes it."""
        if path.startswith("//"):  # bind() takes them for one
            return None
        try:
            rule = self.app.url_map.bind("localhost").match(path.partition("?")[0], method, return_rule=True)[0]
        except HTTPException:
            return None
        for described, methods in self.document["paths"].items():
            pattern = described.removeprefix(self.base)
            if [part[:1] == "{" or part for part in pattern.split("/")] == [
                    part[:1] == "<" or part for part in rule.rule.split("/")]:
                return methods.get(method.lower(), {}).get("responses")
        return None

    def check(self, method, path, answer):
        """Raises ``AssertionError`` when the answer has a status, a type or a shape that is not described."""
        responses = self.responses(method, path)
        if responses is None:
            return
        self.check_raw(f"{method} {path}", responses, answer.status_code, answer.mimetype, answer.headers, answer.data)

    def check_raw(self, where, responses, status, mimetype, headers, data):
        """As :meth:`check`, with what the document says of the request's ``responses``."""
        assert str(status) in responses, f"{where} answers {status}, which is not described: {data[:300]}"
        described = responses[str(status)]
        assert mimetype in described["content"], f"{where} answers {mimetype}"
        for name, header in described.get("headers", {}).items():
            assert name in headers or not header.get("required"), f"{where} lacks {name}"
        if mimetype == "application/json":
            self._check_body(f"{where} {status}", described["content"][mimetype]["schema"], json.loads(data))

    def _check_body(self, where, schema, body):
        text = json.dumps(schema)
        if text not in self._validators:
            self._validators[text] = jsonschema_rs.Draft202012Validator(
                {**closed(schema), "components": {"schemas": self._schemas}})
        found = [f"{'/'.join(map(str, error.instance_path))}: {error.message}"
                 for error in self._validators[text].iter_errors(body)]
        assert not found, (where, found[:5])
