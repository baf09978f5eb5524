"""How does a SOAP service get to know who we are?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lxml import etree
from zeep.wsse.username import UsernameToken

from gateway.bridges.checks import mapping, only, word, wrong
from gateway.bridges.http.places import Json
from gateway.bridges.soap.documents import basic

AUTH_KEYS = {"basic": ("kind", "user", "password"), "username_token": ("kind", "user", "password", "digest"),
             "header": ("kind", "name", "value")}
MAX_HEADER_LEVELS = 10


@dataclass(frozen=True, slots=True)
class Auth:
    """Credentials, never shown: HTTP Basic, a UsernameToken of WS-Security, or a SOAP header of the service's own."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: bool = False
    digest: bool = False
    name: str | None = None
    value: Json = field(default=None, repr=False)

    def http_headers(self) -> dict[str, str]:
        """Headers of every request, for the WSDL too."""
        if self.user is None or self.password is None or self.token:
            return {}
        return {"Authorization": basic(self.user, self.password)}

    def wsse(self) -> UsernameToken | None:
        """The token, new for every message where it is a digest."""
        if not self.token:
            return None
        return UsernameToken(self.user, self.password, use_digest=self.digest, zulu_timestamp=True)

    def header(self) -> etree._Element | None:
        """The SOAP header as it is sent; elements within are in its namespace."""
        if self.name is None:
            return None
        namespace = etree.QName(self.name).namespace
        root = etree.Element(self.name, nsmap={None: namespace})
        _fill(root, self.value, namespace or "")
        return root

    def secrets(self) -> list[str]:
        """What no text may show."""
        return [each for each in (self.password, *_texts(self.value)) if each]


def read_auth(value: object) -> Auth:
    """The key ``auth``. Raises ``INVALID_VALUE`` with the key at fault and the remedy, which shows no secret."""
    if value is None:
        return Auth()
    given = mapping("auth", value, f"kind, one of {', '.join(AUTH_KEYS)}")
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in AUTH_KEYS:
        raise wrong("auth.kind", f"must be one of {', '.join(AUTH_KEYS)}")
    only(given, AUTH_KEYS[kind], "auth.")
    if kind == "header":
        return Auth(name=_header_name(given.get("name")), value=_header_value("auth.value", given.get("value"), 0))
    user = word("auth.user", given.get("user"), "the user that the system's owner gave you")
    if kind == "basic" and ":" in user:
        raise wrong("auth.user", "must have no ':', which ends the user there")
    digest = given.get("digest", False)
    if not isinstance(digest, bool):
        raise wrong("auth.digest", "must be true or false: whether the password is sent as a digest only")
    password = word("auth.password", given.get("password"), "the password that the system's owner gave you")
    return Auth(user, password, kind == "username_token", digest)


def _header_name(value: object) -> str:
    what = "the name of the header with its namespace before it, such as {urn:ams}Credentials"
    name = word("auth.name", value, what)
    try:
        qname = etree.QName(name)
    except ValueError:
        qname = None
    if qname is None or not qname.namespace:
        raise wrong("auth.name", f"must be {what}")
    return name


def _header_value(key: str, value: object, levels: int) -> Json:
    if isinstance(value, str) and value and value.isprintable():
        return value
    if not isinstance(value, Mapping) or not value or levels == MAX_HEADER_LEVELS:
        raise wrong(key, "must be a text, or an object with the names of elements and their texts")
    for name, each in value.items():
        if not isinstance(name, str) or not name.replace("-", "_").replace(".", "_").isidentifier():
            raise wrong(key, "must have names of elements as keys")
        _header_value(f"{key}.{name}", each, levels + 1)
    return dict(value)


def _fill(element: etree._Element, value: Json, namespace: str) -> None:
    if isinstance(value, dict):
        for name, each in value.items():
            _fill(etree.SubElement(element, f"{{{namespace}}}{name}"), each, namespace)
    else:
        element.text = str(value)


def _texts(value: Json) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    return [value] if isinstance(value, str) else []
