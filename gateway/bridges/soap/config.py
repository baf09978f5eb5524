"""Is this the configuration of a SOAP service, and which calls does it mean?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.bridges.checks import PARAMETERS, address, certificates, columns, mapping, number, only, whole, word, wrong
from gateway.bridges.soap.auth import Auth, read_auth
from gateway.bridges.soap.calls import (
    CALL_KEYS,
    Listing,
    SoapCall,
    arguments,
    member_fields,
    paging,
    place,
    read_call,
)
from gateway.bridges.soap.documents import is_url
from gateway.domain.fields import fold
from gateway.domain.writeback import FIELD_CHANGED, KINDS

KEYS = ("wsdl", "service", "port", "endpoint", "auth", "members", "members_by_id", "values", "groups", "writeback",
        "check", "faults", "timeout_s", "ca_file", "plain_http")
LIST_SLOTS = ("page", "offset", "cursor", "size")
MAX_TIMEOUT_S = 100.0  # a write, with all that belongs to it, must end within its lease of two minutes
MAX_AT_ONCE = 200
_WSDL = "the address of the WSDL, https://ams.example.org/service?wsdl, or the full path of a file"


@dataclass(frozen=True, slots=True)
class Since:
    """How changes are asked for, and after how many days everybody is read all the same."""

    call: SoapCall
    as_unix: bool
    full_every_days: int


@dataclass(frozen=True, slots=True)
class Values:
    """How fields of people are asked for, ``size`` at once. ``remote_id``: where it stands in one, if it does."""

    call: SoapCall
    remote_id: str | None
    fields: Mapping[str, str]
    size: int


@dataclass(frozen=True, slots=True)
class Faults:
    """Codes of faults whose meaning this system has made its own: the request is refused, nobody has this ID, or the
    system is away."""

    refused: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    away: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SoapConfig:
    """A checked configuration. Credentials are never shown. ``changes``: field -> the call for its change, where fields
    have calls of their own."""

    wsdl: str
    service: str | None
    port: str | None
    endpoint: str | None
    auth: Auth
    members: Listing
    since: Since | None
    lookup: SoapCall | None
    values: Values | None
    groups: Listing | None
    group_members: Listing | None
    writeback: Mapping[str, SoapCall]
    changes: Mapping[str, SoapCall]
    probe: SoapCall | None
    faults: Faults
    timeout_s: float
    ca_file: str | None
    plain_http: bool
    identity: str = field(repr=False)
    """All of the configuration as one text, by which what was read of its WSDL is found again."""


def read_config(config: Mapping[str, object]) -> SoapConfig:
    """Checks a configuration without connecting. Raises ``INVALID_VALUE`` with the key at fault and the remedy."""
    only(config, KEYS, "")
    plain = config.get("plain_http", False)
    if not isinstance(plain, bool):
        raise wrong("plain_http", "must be true or false")
    given = mapping("members", config.get("members"), "operation, arguments, result and fields")
    only(given, (*CALL_KEYS, "fields", "paging", "since"), "members.")
    members = _listing("members", given, ("since",), columns("members.fields", given.get("fields"), "its place"))
    groups, group_members = _groups(config.get("groups"), members.fields)
    writeback, changes = _writeback(config.get("writeback", {}))
    probe = None if config.get("check") is None else _call("check", config["check"], ())
    return SoapConfig(
        wsdl=_wsdl(config.get("wsdl"), plain), service=_named("service", config), port=_named("port", config),
        endpoint=None if config.get("endpoint") is None else service_address("endpoint", config["endpoint"], plain),
        auth=read_auth(config.get("auth")), members=members, since=_since(given, members),
        lookup=_lookup(config.get("members_by_id")), values=_values(config.get("values")), groups=groups,
        group_members=group_members, writeback=writeback, changes=changes, probe=probe,
        faults=_faults(config.get("faults")),
        timeout_s=number("timeout_s", config.get("timeout_s", 30), 1, MAX_TIMEOUT_S, "seconds"),
        ca_file=certificates("ca_file", config["ca_file"]) if config.get("ca_file") is not None else None,
        plain_http=plain, identity=json.dumps(config, sort_keys=True, default=str))


def service_address(key: str, value: object, plain: bool) -> str:
    """The value as an address that credentials may be sent to."""
    return address(key, value, plain, "an address such as https://ams.example.org/service", has_query=True)


def _wsdl(value: object, plain: bool) -> str:
    text = word("wsdl", value, _WSDL)
    if is_url(text):
        return service_address("wsdl", text, plain)
    if "://" in text or not Path(text).is_absolute():
        raise wrong("wsdl", f"must be {_WSDL}")
    return text


def _named(key: str, config: Mapping[str, object]) -> str | None:
    return None if config.get(key) is None else word(key, config[key], f"the name of a {key} of the WSDL")


def _call(key: str, value: object, slots: tuple[str, ...]) -> SoapCall:
    given = mapping(key, value, "operation and arguments")
    only(given, ("operation", "arguments", "ok"), f"{key}.")
    return read_call(key, given, slots)


def _listing(key: str, given: Mapping[str, object], slots: tuple[str, ...], fields: Mapping[str, str]) -> Listing:
    call = read_call(key, given, (*slots, *LIST_SLOTS), listed=True)
    return Listing(call, member_fields(f"{key}.fields", fields), paging(f"{key}.paging", given.get("paging"), call))


def _since(given: Mapping[str, object], members: Listing) -> Since | None:
    if given.get("since") is None:
        if "since" in members.call.slots():
            raise wrong("members.since", "is missing, for the slot {since} that the arguments use")
        return None
    rule = mapping("members.since", given["since"], "format, and arguments with {since} where members has none")
    only(rule, ("operation", "arguments", "format", "full_every_days"), "members.since.")
    written = rule.get("format", "iso")
    if written not in ("iso", "unix"):
        raise wrong("members.since.format", "must be iso (2026-01-31T12:00:00Z) or unix (seconds since 1970)")
    call = SoapCall(
        word("members.since.operation", rule.get("operation", members.call.operation), "the name of an operation"),
        arguments("members.since.arguments", rule["arguments"], ("since", *LIST_SLOTS)) if "arguments" in rule
        else members.call.arguments, members.call.result, members.call.ok)
    if "since" not in call.slots():
        raise wrong("members.since.arguments", "must say since when: use {since} in it")
    if call.slots() - {"since"} != members.call.slots() - {"since"}:
        raise wrong("members.since.arguments", "must use the slots of paging that members.arguments uses")
    return Since(call, written == "unix",
                 whole("members.since.full_every_days", rule.get("full_every_days", 7), 1, 366))


def _lookup(value: object) -> SoapCall | None:
    if value is None:
        return None
    given = mapping("members_by_id", value, "operation, arguments and result")
    only(given, CALL_KEYS, "members_by_id.")
    call = read_call("members_by_id", given, ("remote_id", "remote_ids"))
    _check_whom("members_by_id", call)
    return call


def _check_whom(key: str, call: SoapCall) -> None:
    if len(call.slots() & {"remote_id", "remote_ids"}) != 1:
        raise wrong(f"{key}.arguments", "must say whom it means: use {remote_id}, or {remote_ids} for many at once")


def _values(value: object) -> Values | None:
    if value is None:
        return None
    given = mapping("values", value, "operation, arguments, result and fields: where the values of our fields are")
    only(given, (*CALL_KEYS, "remote_id", "fields", "size"), "values.")
    call = read_call("values", given, ("remote_id", "remote_ids"))
    _check_whom("values", call)
    if "remote_ids" in call.slots() and "remote_id" not in given:
        raise wrong("values.remote_id", "is missing: where a person's remote ID stands, to tell whose values they are")
    fields = mapping("values.fields", given.get("fields"), "names of our fields, and where each stands in a person")
    if not fields:
        raise wrong("values.fields", "must name at least one of our fields, and where it stands")
    known: set[str] = set()
    for name in fields:
        if not name or len(name) > 255 or not name.isprintable() or name != name.strip():
            raise wrong("values.fields", "must have names of our fields as keys, of 1 to 255 characters")
        if fold(name) in known:
            raise wrong(f"values.fields.{name}", "comes twice; capitals, blanks, '-' and '_' make no other field")
        known.add(fold(name))
    return Values(call, place("values.remote_id", given["remote_id"]) if "remote_id" in given else None,
                  {name: place(f"values.fields.{name}", each) for name, each in fields.items()},
                  whole("values.size", given.get("size", MAX_AT_ONCE), 1, MAX_AT_ONCE))


def _groups(value: object, fields: Mapping[str, str]) -> tuple[Listing | None, Listing | None]:
    if value is None:
        return None, None
    given = mapping("groups", value, "list and members: how groups are listed, and the members of one")
    only(given, ("list", "members"), "groups.")
    listed, members = (mapping(f"groups.{name}", given.get(name), "operation, arguments and result")
                       for name in ("list", "members"))
    for name, each in (("list", listed), ("members", members)):
        only(each, (*CALL_KEYS, "fields", "paging"), f"groups.{name}.")
    where = mapping("groups.list.fields", listed.get("fields"), "group_id, name and, if there is one, size")
    only(where, ("group_id", "name", "size"), "groups.list.fields.")
    for name in ("group_id", "name"):
        if name not in where:
            raise wrong(f"groups.list.fields.{name}", "is missing; it says where it stands in a group")
    places = {name: place(f"groups.list.fields.{name}", each) for name, each in where.items()}
    found = _listing("groups.members", members, ("group_id",), columns(
        "groups.members.fields", members["fields"], "its place") if "fields" in members else fields)
    if "group_id" not in found.call.slots():
        raise wrong("groups.members.arguments", "must say which group it means: use {group_id} in it")
    return _listing("groups.list", listed, (), places), found


def _writeback(value: object) -> tuple[dict[str, SoapCall], dict[str, SoapCall]]:
    given = mapping("writeback", value, "a call for each kind that is written back")
    only(given, KINDS, "writeback.")
    calls = {kind: _write(f"writeback.{kind}", each) for kind, each in given.items() if kind != FIELD_CHANGED}
    if FIELD_CHANGED not in given:
        return calls, {}
    key = f"writeback.{FIELD_CHANGED}"
    change = mapping(key, given[FIELD_CHANGED], "a call with {field} and {value}, or one call a field")
    if "operation" in change and not isinstance(change["operation"], Mapping):
        return {**calls, FIELD_CHANGED: _write(key, change, "field", "value")}, {}
    return calls, {name: _write(f"{key}.{name}", each, "value") for name, each in change.items()}


def _write(key: str, value: object, *wanted: str) -> SoapCall:
    call = _call(key, value, PARAMETERS)
    for slot in ("remote_id", *wanted):
        if slot not in call.slots():
            raise wrong(f"{key}.arguments", f"must use {{{slot}}}: whom it means, and what")
    return call


def _faults(value: object) -> Faults:
    if value is None:
        return Faults()
    given = mapping("faults", value, "refused, absent, away: lists of codes")
    only(given, ("refused", "absent", "away"), "faults.")
    listed: dict[str, frozenset[str]] = {}
    for name, codes in given.items():
        if not isinstance(codes, list) or not all(isinstance(each, str) and each.strip() for each in codes):
            raise wrong(f"faults.{name}", "must be a list of codes of faults, such as MemberNotFound")
        listed[name] = frozenset(codes)
    return Faults(**listed)
