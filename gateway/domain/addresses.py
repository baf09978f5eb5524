"""What is a valid identifier or text, and in which form is it stored? (ID-6..8, PUSH-6)"""

from __future__ import annotations

import re
import unicodedata

from gateway.domain.records import MAX_EMAIL, MAX_REMOTE_ID, Problem

EMAIL_FIELD, REMOTE_ID_FIELD = "email", "remoteId"

# PUSH-6: what must never reach the store: one such character would break a whole SOAP answer later
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Blanks and signs without width that spreadsheets and web pages leave around an address (ID-7)
_INVISIBLE = re.compile("[\u200b-\u200f\u2060\ufeff\u00ad]")
_ORDINARY = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
                       r"@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OUTSIDE_ASCII = re.compile(r"[^\x00-\x7f]")
_ATS, _DOTS_AT_END = re.compile("@{2,}"), re.compile(r"\.+$")
_ATOM = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~.-]+")
# No domain is written longer, whatever Unicode composes; making the ASCII form of a huge one would take seconds
_MAX_SPELLED = 1000
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def holds_forbidden(text: str) -> bool:
    """Whether the text has a character that may not be stored: controls, surrogates, U+FFFE, U+FFFF (PUSH-6)."""
    return not text.isprintable() and _FORBIDDEN.search(text) is not None  # nearly every text is, and says so at once


def printable(text: str | None, limit: int) -> str | None:
    """What an answer or a log may repeat of an identifier that was refused: without forbidden characters, cut."""
    return None if text is None else _FORBIDDEN.sub("", text).strip()[:limit]


def forbidden_character(field: str) -> Problem:
    """The problem of a text with such a character."""
    return Problem("INVALID_CHARACTER", "The text holds a control character or a broken one. Remove it, "
                                        "or check in which encoding the text was written.", field)


def normalise_remote_id(text: str | None) -> str | Problem | None:
    """The remote ID as stored, None when none is given, or why it is not one (ID-6).

    Outer blanks go; case and leading zeros count.
    """
    if text is None:
        return None
    text = text.strip()
    if not text:
        return None
    if holds_forbidden(text):
        return forbidden_character(REMOTE_ID_FIELD)
    if len(text) > MAX_REMOTE_ID:
        return Problem("FIELD_TOO_LONG", f"A remote ID has at most {MAX_REMOTE_ID} characters.", REMOTE_ID_FIELD)
    return text


def repaired(email: str) -> str:
    """The address without obvious slips: ``@@`` and dots at its end (ID-9)."""
    return _DOTS_AT_END.sub("", _INVISIBLE.sub("", _ATS.sub("@", email)).strip())


def is_ordinary(address: str, max_length: int = MAX_EMAIL) -> bool:
    """Whether the text, without outer blanks and in lower case, is an address as nearly all are: then it is valid."""
    return len(address) <= max_length and _ORDINARY.fullmatch(address) is not None and address.index("@") <= 64


def normalise(email: str, max_length: int = MAX_EMAIL, *, utf8: bool = False) -> str | Problem:
    """The address in the one form that is stored, compared and mailed, or what is wrong with it (ID-7, ID-8).

    ``utf8``: whether letters outside ASCII may stand before the @, for a mail server that takes SMTPUTF8 (RFC 6531).
    """
    address = email.strip().lower()
    if is_ordinary(address, max_length):
        return address  # nearly every address is done here
    address = unicodedata.normalize("NFC", _INVISIBLE.sub("", email)).strip().lower()
    if holds_forbidden(address):
        return forbidden_character(EMAIL_FIELD)
    if "@" not in address:
        return _invalid("The address has no @. Send it as name@domain.")
    local, _, domain = address.rpartition("@")
    if "@" in local:
        return _invalid("The address has more than one @. Send exactly one address.")
    problem = _check_local(local, utf8)
    if problem is not None:
        return problem
    made = _ascii_domain(domain, max_length - len(local) - 1)
    if isinstance(made, Problem):
        return made
    return f"{local}@{made}"


def _check_local(local: str, utf8: bool) -> Problem | None:
    if not local:
        return _invalid("The address has nothing before the @. Send it as name@domain.")
    if len(local) > 64:
        return _invalid("The part before the @ is longer than 64 characters. Check that it is one address.")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return _invalid("The part before the @ has a dot at an end or two in a row. Correct the spelling.")
    if any(character.isspace() for character in local):
        return _invalid("The part before the @ has a blank. Remove it, and send one address only.")
    if not local.isascii() and not utf8:
        return _invalid("The part before the @ has letters outside ASCII, which this installation does not mail to. "
                        "Use an ASCII address.")
    if not _ATOM.fullmatch(_OUTSIDE_ASCII.sub("", local) or "x"):
        return _invalid("The part before the @ has a character such as a quote, comma or bracket. "
                        "Send the bare address without name or quotes.")
    return None


def _ascii_domain(domain: str, room: int) -> str | Problem:
    if not domain:
        return _invalid("The address has no domain. Send it as name@domain.")
    if len(domain) > _MAX_SPELLED:
        return _too_long()
    try:
        made = domain if domain.isascii() else domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return _invalid("The domain is not one. Correct its spelling.")
    if len(made) > room:
        return _too_long()
    labels = made.split(".")
    if len(labels) < 2:
        return _invalid("The domain has no dot. Send it in full, as in name@example.org.")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return _invalid("The domain has an empty part or a character that domains do not have. Correct its spelling.")
    return made


def _too_long() -> Problem:
    return _invalid("The address is longer than this installation takes. Check that it is one address.")


def _invalid(message: str) -> Problem:
    return Problem("INVALID_EMAIL", message, EMAIL_FIELD)
