"""How do the routes' own declarations become the one document that describes both faces of PUSH? (PUSH-105)"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from flask import Flask

from gateway.domain.records import MAX_NAME
from gateway.errors import CATALOGUE
from gateway.push.operations import Operation, operations
from gateway.push.query import Parameter
from gateway.push.schemas.common import ERROR, READ, WRITTEN
from gateway.push.schemas.jobs import JOB_PREFIX
from gateway.push.schemas.kinds import Id, Json, Kind, Text, Thing, described, things

JSON_TYPES = ("application/json", "text/json")
_PATH_PART = re.compile(r"<(?:\w+:)?(\w+)>")
_PATH_KINDS: dict[str, Kind] = {"job_id": Id(prefix=JOB_PREFIX), "name": Text(max_length=MAX_NAME)}
"""Of path parameters; all others are ids."""

_ABOUT = """\
Send people, mailings and questions over HTTP, get JSON back. Two faces, one service: `/push/v1` for new callers,
`/v2` for callers written for a PUSH API that we stand in for.

* HTTP 200 says that the request was understood; `success` says whether every record was stored. A bad record fails
  alone.
* `code` is for programs and never renamed; `errorMessage` is for people. Ignore members of answers that you do not
  know: v1 only grows.
* Any path can also answer 404 (`NOT_FOUND`: there is nothing at this address) and 405 (`METHOD_NOT_ALLOWED`, with the
  header `Allow`).
* Bodies may be packed (`Content-Encoding: gzip`) and chunked. JSON is UTF-8 or UTF-16, at most 8 MiB and 16 levels
  deep.
"""


def document(public_url: str, faces: Mapping[str, Flask]) -> Json:
    """The OpenAPI 3.1 document of ``faces`` (base path -> application) as served at ``public_url``.

    Routes that declare nothing are left out. Raises ``ValueError`` when two different things have one name.
    """
    paths: Json = {}
    found = _Found()
    for base, app in faces.items():
        for method, rule, declared in operations(app):
            if declared is not None:
                path = base + _PATH_PART.sub(lambda part: f"{{{_camel(part[1])}}}", rule)
                paths.setdefault(path, {})[method.lower()] = _operation(method, path, rule, declared, found)
    found.add((ERROR, READ, WRITTEN), asked=False)
    return {
        "openapi": "3.1.0", "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "PUSH", "version": "1", "description": _ABOUT},
        "servers": [{"url": public_url}],
        "security": [{"ApiKey": []}, {"XApiKey": []}, {"Bearer": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(found.schemas.items())),
            "responses": {
                "NotFound": _refusal(404, ("NOT_FOUND",)), "MethodNotAllowed": _refusal(405, ("METHOD_NOT_ALLOWED",))},
            "securitySchemes": {
                "ApiKey": {"type": "apiKey", "in": "header", "name": "ApiKey"},
                "XApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "Bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


class _Found:
    """The named things that the routes mention, each defined once: as it is asked, or as it is told."""

    def __init__(self) -> None:
        self.schemas: dict[str, Json] = {}
        self._things: dict[str, tuple[Thing, bool]] = {}

    def add(self, kinds: Iterable[Kind | None], *, asked: bool) -> None:
        for kind in kinds:
            for thing in things(kind):
                before = self._things.setdefault(thing.name, (thing, asked))
                if before != (thing, asked):
                    raise ValueError(f"two different things are called {thing.name}")
                self.schemas[thing.name] = thing.definition(asked)


def _operation(method: str, path: str, rule: str, declared: Operation, found: _Found) -> Json:
    found.add((declared.body, *declared.body_types.values()), asked=True)
    found.add((declared.answer,), asked=False)
    made: Json = {
        "operationId": _camel("_".join([method.lower(), *re.findall(r"\w+", path)])),
        "tags": [re.findall(r"\w+", rule)[0]], "summary": declared.summary,
        "description": " ".join(part for part in (declared.about, f"({declared.rule})") if part),
    }
    if not declared.key:
        made["security"] = []
    if declared.scope:
        made["x-scope"] = declared.scope
    parameters = [*_path_parameters(rule), *map(_parameter, declared.parameters)]
    if declared.writes:
        parameters.append(_header("Idempotency-Key", "makes a repetition safe: the same request gets the first answer "
                                  "once more (PUSH-73)", {"type": "string", "pattern": "^[!-~]{1,255}$"}))
    if parameters:
        made["parameters"] = parameters
    if declared.body is not None or declared.body_types:
        made["requestBody"] = _request_body(declared)
    made["responses"] = _responses(rule, declared)
    return made


def _path_parameters(rule: str) -> list[Json]:
    return [{"name": _camel(name), "in": "path", "required": True,
             "schema": _PATH_KINDS.get(name, Id()).schema(False)} for name in _PATH_PART.findall(rule)]


def _parameter(given: Parameter) -> Json:
    schema = given.kind.schema(False)  # the strict form: there is but one way to write a value into a URL
    about = schema.pop("description", "")
    if given.repeatable:
        schema = {"type": "array", "items": schema}
    return described({"name": given.name, "in": "query", "schema": schema}, about)


def _header(name: str, about: str, schema: Json) -> Json:
    return {"name": name, "in": "header", "description": about, "schema": schema}


def _request_body(declared: Operation) -> Json:
    content: Json = {}
    if declared.body is not None:
        entry: Json = {"schema": declared.body.schema(True)}
        if declared.example is not None:
            entry["example"] = declared.example
        content = {media_type: entry for media_type in JSON_TYPES}
    for media_type, kind in declared.body_types.items():
        content[media_type] = {"schema": {"type": "string"} if kind is None else kind.schema(True)}
    return {"required": declared.body_needed, "content": content}


def _responses(rule: str, declared: Operation) -> Json:
    made: Json = {}
    for status in filter(None, (declared.status, *declared.statuses)):
        content: Json = {}
        if declared.answer is not None:
            around = (WRITTEN,) if declared.writes else (READ,) if declared.key else ()
            refs = [kind.schema(False) for kind in (declared.answer, *around)]
            content["application/json"] = {"schema": {"allOf": refs} if around else refs[0]}
        for media_type in declared.answer_types:
            content[media_type] = {"schema": {"type": "string"}}
        made[str(status)] = {"description": declared.answer_about(status), "headers": _headers(status),
                             "content": content or {"application/json": {"schema": {"type": "object"}}}}
    by_status: dict[int, list[str]] = {}
    for code in sorted(declared.all_codes(rule)):
        by_status.setdefault(CATALOGUE[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        refusal = _refusal(status, codes)
        if str(status) in made:  # V2 answers 422 with results as well as with a refusal
            schema = made[str(status)]["content"]["application/json"]
            schema["schema"] = {"anyOf": [schema["schema"], refusal["content"]["application/json"]["schema"]]}
        else:
            made[str(status)] = refusal
    return dict(sorted(made.items()))


def _refusal(status: int, codes: Iterable[str]) -> Json:
    words = list(codes)
    schema = {"allOf": [ERROR.schema(False), {"type": "object", "properties": {"code": {"enum": words}}}]}
    return {"description": " ".join(CATALOGUE[code].meaning for code in words), "headers": _headers(status),
            "content": {"application/json": {"schema": schema}}}


def _headers(status: int) -> Json:
    made: Json = {"X-Request-Id": {"schema": {"type": "string"}}}
    if status == 202:
        made["Location"] = {"schema": {"type": "string"}, "description": "where to ask for the job"}
    if status in (429, 503):
        made["Retry-After"] = {"schema": {"type": "integer", "minimum": 1}, "description": "seconds",
                               "required": True}
    if status == 401:
        made["WWW-Authenticate"] = {"schema": {"type": "string"}}
    return made


def _camel(text: str) -> str:
    first, *rest = text.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)
