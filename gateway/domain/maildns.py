"""What must the world's DNS say about a domain that sends? SPF, DKIM and DMARC records (RFC 7208, 6376, 7489)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DOMAIN = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.A)
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.A)
_EXAMPLES = ("example", "test", "invalid", "localhost", "localdomain", "example.com", "example.net", "example.org")
_POLICIES = ("none", "quarantine", "reject")

RSA, ED25519 = "rsa", "ed25519"
ALGORITHMS = (RSA, ED25519)
"""What a DKIM key may be (RFC 8301, RFC 8463)."""

MAX_STRING = 255
"""A TXT record is made of strings of at most so many bytes (RFC 1035, 3.3.14)."""


def is_domain(text: str) -> bool:
    """Whether this is a domain name in lower-case ASCII with at least one dot."""
    return _DOMAIN.fullmatch(text) is not None


def is_selector(text: str) -> bool:
    """Whether this can be a DKIM selector: one label, lower case."""
    return _SELECTOR.fullmatch(text) is not None


def is_example(domain: str) -> bool:
    """Whether the domain is reserved for examples and tests (RFC 2606, RFC 6761), so that asking for it is no use."""
    return any(domain == name or domain.endswith("." + name) for name in _EXAMPLES)


def dkim_name(selector: str, domain: str) -> str:
    """Where receivers look for a key."""
    return f"{selector}._domainkey.{domain}"


def dkim_record(algorithm: str, public_key: str) -> str:
    """What they must find there."""
    return f"v=DKIM1; k={algorithm}; p={public_key}"


def quoted_strings(record: str) -> str:
    """A record as zone files take it: in quoted strings of at most 255 bytes."""
    return " ".join(f'"{record[at:at + MAX_STRING]}"' for at in range(0, len(record), MAX_STRING))


def dkim_problem(records: Sequence[str], public_key: str) -> str | None:
    """What is wrong with the key's record, None for nothing."""
    keys = [tags["p"] for tags in map(_tags, records) if "p" in tags and tags.get("v", "DKIM1") == "DKIM1"]
    if not keys:
        return "no DKIM key is published there"
    if len(keys) > 1:
        return "more than one key is published there"
    if re.sub(r"\s", "", keys[0]) != public_key:
        return "another key is published there" if keys[0] else "the key published there is withdrawn"
    return None


def spf_problem(records: Sequence[str]) -> str | None:
    """What is wrong with a domain's SPF record, None for nothing."""
    found = [record for record in records if re.fullmatch(r"v=spf1(?: .*)?", record, re.I)]
    if not found:
        return "no SPF record (v=spf1 ...) names the servers that may send"
    if len(found) > 1:
        return "more than one SPF record, so none counts"
    if re.search(r"(?:^| )\+?all(?: |$)", found[0], re.I):
        return "the SPF record lets everybody send (+all)"
    return None


def dmarc_problem(records: Sequence[str]) -> str | None:
    """What is wrong with the records at ``_dmarc.<domain>``, None for nothing."""
    found = [tags for tags in map(_tags, records) if tags.get("v", "").upper() == "DMARC1"]
    if not found:
        return "no DMARC record (v=DMARC1; p=...)"
    if len(found) > 1:
        return "more than one DMARC record, so none counts"
    if found[0].get("p", "").lower() not in _POLICIES:
        return f"its DMARC record has no policy p={', '.join(_POLICIES)}"
    return None


def _tags(record: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in record.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}
