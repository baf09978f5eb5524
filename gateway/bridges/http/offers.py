"""Where does a REST interface tell single values, list its groups, and take the change of a field?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.bridges.checks import PARAMETERS, mapping, only, whole, word, wrong
from gateway.bridges.http.calls import SLOT, Call, texts_of
from gateway.bridges.http.keys import Paging, below, check_slots, member_fields, paging, parameter, place, somewhere
from gateway.bridges.http.places import Json
from gateway.domain.fields import fold
from gateway.domain.writeback import FIELD_CHANGED, KINDS

METHODS = ("POST", "PUT", "PATCH", "DELETE")
MAX_AT_ONCE = 200
ALL_IDS = "{remote_ids}"
VALUES_KEYS = ("path", "items", "remote_id", "fields", "parameter", "separator", "body", "size")
_WHOM = "must say whom it means: {remote_id} in the path; or a parameter, or a body with {remote_ids}, for many at once"


@dataclass(frozen=True, slots=True)
class Values:
    """How the fields of people are asked for: one by one by a slot in the path, or up to ``size`` of them together in a
    parameter or a body. ``fields``: our field name -> its place in a person."""

    path: str
    items: str
    remote_id: str | None
    fields: Mapping[str, str]
    parameter: str | None
    separator: str
    body: Json
    size: int

    @property
    def one_by_one(self) -> bool:
        """Whether every person is a request of its own."""
        return self.parameter is None and self.body is None


@dataclass(frozen=True, slots=True)
class Listing:
    """One list: where it is asked for, where it stands in an answer, what its items are and how it goes on."""

    path: str
    items: str
    fields: Mapping[str, str]
    paging: Paging | None


@dataclass(frozen=True, slots=True)
class Groups:
    """How groups are listed, and the members of one of them, by ``{group_id}`` in its path."""

    listed: Listing
    members: Listing


def read_values(value: object) -> Values | None:
    """The key ``values``; None where it is left out. Raises ``INVALID_VALUE`` with the key at fault and the remedy."""
    if value is None:
        return None
    given = mapping("values", value, "path and fields: where the values of our fields are asked for")
    only(given, VALUES_KEYS, "values.")
    path = below("values.path", given.get("path"), ("remote_id",))
    named = parameter("values.parameter", given["parameter"]) if "parameter" in given else None
    body: Json = given.get("body")  # type: ignore[assignment]
    if ("{remote_id}" in path) + (named is not None) + (body is not None) != 1:
        raise wrong("values.path", _WHOM)
    if body is not None:
        _check_body(body)
    remote_id = somewhere("values.remote_id", given["remote_id"], "id") if "remote_id" in given else None
    if remote_id is None and "{remote_id}" not in path:
        raise wrong("values.remote_id", "is missing: where a person's remote ID stands, to tell whose values they are")
    return Values(path, place("values.items", given.get("items", "")), remote_id, _value_fields(given.get("fields")),
                  named, word("values.separator", given.get("separator", ","), "the text between two remote IDs"), body,
                  whole("values.size", given.get("size", MAX_AT_ONCE), 1, MAX_AT_ONCE))


def _check_body(body: Json) -> None:
    for text in texts_of(body):
        if SLOT.search(text) and text != ALL_IDS:
            raise wrong("values.body", 'may use "{remote_ids}" only, as a text of its own: it becomes their list')
    if ALL_IDS not in texts_of(body):
        raise wrong("values.body", 'must have the text "{remote_ids}", which becomes the list of them')


def _value_fields(value: object) -> dict[str, str]:
    given = mapping("values.fields", value, "names of our fields, and where each stands in a person")
    if not given:
        raise wrong("values.fields", "must name at least one of our fields, and where it stands")
    known: set[str] = set()
    for name in given:
        if not name or len(name) > 255 or not name.isprintable() or name != name.strip():
            raise wrong("values.fields", "must have names of our fields as keys, of 1 to 255 characters")
        if fold(name) in known:
            raise wrong(f"values.fields.{name}", "comes twice; capitals, blanks, '-' and '_' make no other field")
        known.add(fold(name))
    return {name: somewhere(f"values.fields.{name}", each, "contact.title") for name, each in given.items()}


def read_groups(value: object, fields: Mapping[str, str]) -> Groups | None:
    """The key ``groups``; None where it is left out. ``fields``: of a member, where the group's have none of their own.

    Raises ``INVALID_VALUE`` with the key at fault and the remedy.
    """
    if value is None:
        return None
    given = mapping("groups", value, "list and members: where groups are listed, and where the members of one")
    only(given, ("list", "members"), "groups.")
    found = [mapping(f"groups.{name}", given.get(name), "path and, if the answer is not the list, items")
             for name in ("list", "members")]
    for name, each in zip(("list", "members"), found, strict=True):
        only(each, ("path", "items", "fields", "paging"), f"groups.{name}.")
    listed, members = found
    path = below("groups.members.path", members.get("path"), ("group_id",))
    if "{group_id}" not in path:
        raise wrong("groups.members.path", "must say which group it means: use {group_id} in it")
    return Groups(
        _listing("groups.list", listed, below("groups.list.path", listed.get("path")),
                 _group_fields(listed.get("fields"))),
        _listing("groups.members", members, path,
                 member_fields("groups.members.fields", members["fields"]) if "fields" in members else fields))


def _listing(key: str, given: Mapping[str, object], path: str, fields: Mapping[str, str]) -> Listing:
    return Listing(path, place(f"{key}.items", given.get("items", "")), fields,
                   paging(f"{key}.paging", given.get("paging")))


def _group_fields(value: object) -> dict[str, str]:
    given = mapping("groups.list.fields", value, "group_id, name and, if there is one, size: where each stands")
    only(given, ("group_id", "name", "size"), "groups.list.fields.")
    for name in ("group_id", "name"):
        if name not in given:
            raise wrong(f"groups.list.fields.{name}", "is missing; it says where it stands in a group, such as id")
    return {name: somewhere(f"groups.list.fields.{name}", each, "id") for name, each in given.items()}


def read_writeback(value: object) -> tuple[dict[str, Call], dict[str, Call]]:
    """The key ``writeback``: kind -> call, and for changes of fields that have calls of their own field -> call.

    Raises ``INVALID_VALUE`` with the key at fault and the remedy.
    """
    given = mapping("writeback", value, "a call for each kind that is written back")
    only(given, KINDS, "writeback.")
    calls = {kind: _call(f"writeback.{kind}", each) for kind, each in given.items() if kind != FIELD_CHANGED}
    if FIELD_CHANGED not in given:
        return calls, {}
    key, change = f"writeback.{FIELD_CHANGED}", mapping(
        f"writeback.{FIELD_CHANGED}", given[FIELD_CHANGED], "a call with {field} and {value}, or one call a field")
    if change and all(isinstance(each, Mapping) for each in change.values()):
        return calls, {name: _change(f"{key}.{name}", each, ("value",)) for name, each in change.items()}
    return {**calls, FIELD_CHANGED: _change(key, change, ("field", "value"))}, {}


def _change(key: str, value: object, wanted: tuple[str, ...]) -> Call:
    call = _call(key, value)
    for slot in wanted:
        if slot not in call.slots():
            raise wrong(key, f"must say what changed: use {{{slot}}} in its path or body")
    return call


def _call(key: str, value: object) -> Call:
    given = mapping(key, value, "method, path and, if it takes one, body")
    only(given, ("method", "path", "body"), f"{key}.")
    method = given.get("method", "POST")
    if method not in METHODS:
        raise wrong(f"{key}.method", f"must be one of {', '.join(METHODS)}")
    call = Call(str(method), below(f"{key}.path", given.get("path"), PARAMETERS),
                given.get("body"))  # type: ignore[arg-type]
    check_slots(f"{key}.body", call.slots(), PARAMETERS)
    if "remote_id" not in call.slots():
        raise wrong(key, "must say whom it means: use {remote_id} in its path or body")
    return call
