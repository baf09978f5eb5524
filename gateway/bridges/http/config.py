"""Is this the configuration of a REST interface, and which requests does it mean?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.bridges.checks import address, certificates, mapping, number, only, whole, word, wrong
from gateway.bridges.http.calls import Call
from gateway.bridges.http.keys import Paging, below, member_fields, one_of, paging, parameter, place
from gateway.bridges.http.offers import Groups, Values, read_groups, read_values, read_writeback

KEYS = ("url", "auth", "members", "members_by_id", "values", "groups", "writeback", "probe", "timeout_s", "ca_file",
        "plain_http")
MEMBERS_KEYS = ("path", "items", "fields", "paging", "since")
AUTH_KEYS = {"key": ("kind", "header", "value"),
             "oauth2": ("kind", "token_url", "client_id", "client_secret", "scope", "send")}
MAX_TIMEOUT_S = 100.0  # a write, with all that belongs to it, must end within its lease of two minutes


@dataclass(frozen=True, slots=True)
class OAuth:
    """Client credentials, and where they are changed for a token."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None
    in_body: bool


@dataclass(frozen=True, slots=True)
class Since:
    """The parameter that asks for changes, and after how many days everybody is read all the same."""

    parameter: str
    as_unix: bool
    full_every_days: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """How single people are asked for: one by one by a slot in the path, or together in a parameter."""

    path: str
    items: str
    parameter: str | None
    separator: str


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """A checked configuration. Headers and credentials are never shown. ``changes``: field -> the call for its change,
    where fields have calls of their own."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    oauth: OAuth | None
    path: str
    items: str
    fields: Mapping[str, str]
    paging: Paging | None
    since: Since | None
    lookup: Lookup | None
    values: Values | None
    groups: Groups | None
    writeback: Mapping[str, Call]
    changes: Mapping[str, Call]
    probe: str | None
    timeout_s: float
    ca_file: str | None


def read_config(config: Mapping[str, object]) -> HttpConfig:
    """Checks a configuration without connecting. Raises ``INVALID_VALUE`` with the key at fault and the remedy."""
    only(config, KEYS, "")
    plain = config.get("plain_http", False)
    if not isinstance(plain, bool):
        raise wrong("plain_http", "must be true or false")
    url = _url("url", config.get("url"), plain).rstrip("/")
    headers, oauth = _auth(config.get("auth"), plain)
    listed = mapping("members", config.get("members"), "path and fields")
    only(listed, MEMBERS_KEYS, "members.")
    fields = member_fields("members.fields", listed.get("fields"))
    writeback, changes = read_writeback(config.get("writeback", {}))
    return HttpConfig(
        url=url, headers=headers, oauth=oauth,
        path=below("members.path", listed.get("path")), items=place("members.items", listed.get("items", "")),
        fields=fields, paging=paging("members.paging", listed.get("paging")), since=_since(listed.get("since")),
        lookup=_lookup(config.get("members_by_id")), values=read_values(config.get("values")),
        groups=read_groups(config.get("groups"), fields), writeback=writeback, changes=changes,
        probe=below("probe", config["probe"]) if "probe" in config else None,
        timeout_s=number("timeout_s", config.get("timeout_s", 30), 1, MAX_TIMEOUT_S, "seconds"),
        ca_file=certificates("ca_file", config["ca_file"]) if "ca_file" in config else None)


def _url(key: str, value: object, plain: bool) -> str:
    return address(key, value, plain, "the address of the interface: https://ams.example.org/api", has_query=False)


def _since(value: object) -> Since | None:
    if value is None:
        return None
    given = mapping("members.since", value, "parameter")
    only(given, ("parameter", "format", "full_every_days"), "members.since.")
    written = given.get("format", "iso")
    if written not in ("iso", "unix"):
        raise wrong("members.since.format", "must be iso (2026-01-31T12:00:00Z) or unix (seconds since 1970)")
    return Since(parameter("members.since.parameter", given.get("parameter")), written == "unix",
                 whole("members.since.full_every_days", given.get("full_every_days", 7), 1, 366))


def _lookup(value: object) -> Lookup | None:
    if value is None:
        return None
    given = mapping("members_by_id", value, "path, with {remote_id} in it or a parameter beside it")
    only(given, ("path", "items", "parameter", "separator"), "members_by_id.")
    path = below("members_by_id.path", given.get("path"), ("remote_id",))
    named = parameter("members_by_id.parameter", given["parameter"]) if "parameter" in given else None
    if ("{remote_id}" in path) == (named is not None):
        raise wrong("members_by_id.path", "must say whom it means: {remote_id} in the path, or a parameter beside it")
    return Lookup(path, place("members_by_id.items", given.get("items", "")), named,
                  word("members_by_id.separator", given.get("separator", ","), "the text between two remote IDs"))


def _auth(value: object, plain: bool) -> tuple[dict[str, str], OAuth | None]:
    if value is None:
        return {}, None
    given = mapping("auth", value, f"kind, one of {', '.join(AUTH_KEYS)}")
    if one_of("auth", given, AUTH_KEYS) == "key":
        header = word("auth.header", given.get("header", "Authorization"), "the name of a header")
        if not all(each.isalnum() or each == "-" for each in header) or not header.isascii():
            raise wrong("auth.header", "must be the name of a header, such as X-Api-Key")
        return {header: _secret("auth.value", given.get("value"))}, None
    send = given.get("send", "header")
    if send not in ("header", "body"):
        raise wrong("auth.send", "must be header or body: where the token service wants the client's credentials")
    scope = None if given.get("scope") is None else word("auth.scope", given["scope"], "the scope to ask for")
    return {}, OAuth(_url("auth.token_url", given.get("token_url"), plain),
                     _secret("auth.client_id", given.get("client_id")),
                     _secret("auth.client_secret", given.get("client_secret")), scope, send == "body")


def _secret(key: str, value: object) -> str:
    text = word(key, value, "the text that the system's owner gave you")
    if not text.isascii() or text != text.strip():
        raise wrong(key, "must be the text that the system's owner gave you, in ASCII, without blanks around it")
    return text
