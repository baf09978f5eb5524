"""Does the contract of the PUSH faces only grow? (PUSH-106)

``first_release/push-v1.txt`` lists what was published first: operations with their parameters, members of objects, and
what a request must have. Only what is new is ever added to it, when it is published.
"""

import json
from pathlib import Path

FIRST = Path(__file__).parent / "first_release" / "push-v1.txt"
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text(encoding="utf-8"))


def names_of(document):
    """What callers rely on: a line's head -> its words."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found[f"{method.upper()} {path}"] = {each["name"] for each in operation.get("parameters", ())}
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if "properties" in schema:
            found[name] = set(schema["properties"])
    for name in asked(document):
        found[f"{name} needs"] = set(schemas[name].get("required", ()))
    return found


def asked(document):
    """The schemas of which bodies of requests are made."""
    bodies = [operation.get("requestBody") for methods in document["paths"].values() for operation in methods.values()]
    found, waiting = set(), set(references(bodies))
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(references(document["components"]["schemas"][name])) - found
    return found


def references(value):
    """The names of all schemas to which a part of the document refers."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_v1_only_grows():
    """PUSH-106: nothing that was published is gone or renamed, and no request must have more than it had."""
    now, lost = names_of(DOCUMENT), []
    for line in FIRST.read_text(encoding="utf-8").splitlines():
        head, _, words = line.partition(":")
        before, after = set(words.split()), now.get(head, set())
        if head.endswith(" needs"):
            lost += [f"{head} {word} now" for word in after - before]
        else:
            lost += [f"{head}: {word}" for word in before - after] + ([] if head in now else [head])
    assert not lost, lost
