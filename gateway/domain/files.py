"""Which files may a mailing carry, as attachments or as images within its HTML? (RFC 2045, RFC 2183, RFC 2392)"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from gateway.domain.addresses import holds_forbidden
from gateway.domain.records import Problem
from gateway.errors import GatewayError

MAX_FILES = 20
MAX_BYTES = 10 * 1024 * 1024
"""All files of a mailing together, in the form in which they are mailed (base64)."""
MAX_NAME, MAX_CONTENT_TYPE, MAX_CONTENT_ID = 255, 127, 200

_TOKEN = r"[a-z0-9][a-z0-9!#$&^_.+-]*"  # noqa: S105 - a word of RFC 6838, no secret
_CONTENT_TYPE = re.compile(f"{_TOKEN}/{_TOKEN}")
_CONTENT_ID = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*(?:@[A-Za-z0-9][A-Za-z0-9.-]*)?")
_CID = re.compile(r"\bcid:([A-Za-z0-9._+@%-]+)", re.I)
_BLANKS = re.compile(r"[ \t\r\n]+")
_NOT_IN_A_NAME = re.compile(r'[/\\:*?"<>|\r\n\t\u2028\u2029\u202a-\u202e\u2066-\u2069]')
_IN_PARTS = ("multipart/", "message/")  # other rules hold for these, and base64 is forbidden (RFC 2045, 6.4)


@dataclass(frozen=True, slots=True)
class MailingFile:
    """One file of a mailing. ``content_id``: the name by which the HTML shows it (``cid:NAME``); None: attached."""

    name: str
    content_type: str
    data: bytes = field(repr=False)
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class FileView:
    """What is told of a stored file; its bytes are not."""

    name: str
    content_type: str
    content_id: str | None
    size_bytes: int


def checked(files: Sequence[MailingFile]) -> tuple[MailingFile, ...]:
    """The files in the form that is stored. Raises ``GatewayError`` with the field ``files``:

    ``LIMIT_EXCEEDED`` (number), ``TOO_LARGE`` (bytes), ``FIELD_TOO_LONG``, ``INVALID_CHARACTER`` or ``INVALID_VALUE``.
    """
    if len(files) > MAX_FILES:
        raise GatewayError("LIMIT_EXCEEDED", f"A mailing has at most {MAX_FILES} files. Leave some out, or link to "
                                             "them.", field="files")
    made = tuple(_checked(number, each) for number, each in enumerate(files, start=1))
    total = sum(encoded_size(len(each.data)) for each in made)
    if total > MAX_BYTES:
        raise GatewayError("TOO_LARGE", f"The files take {total} bytes in a message; at most {MAX_BYTES} are sent. "
                                        "Make them smaller, or link to them.", field="files")
    ids = [each.content_id.lower() for each in made if each.content_id]
    if len(set(ids)) < len(ids):
        raise GatewayError("INVALID_VALUE", "Two files have the same content ID. Give each its own.", field="files")
    return made


def from_base64(number: int, name: str, content_type: str | None, content_id: str | None, data: str) -> MailingFile:
    """The file, the ``number``-th of its request, whose bytes come as base64; raises ``INVALID_VALUE``."""
    try:
        return MailingFile(name, content_type or "", base64.b64decode(_BLANKS.sub("", data), validate=True),
                           content_id or None)
    except ValueError:
        raise GatewayError("INVALID_VALUE", f"File {number}: its data is not base64. Send its bytes in base64.",
                           field="files") from None


def encoded_size(size_bytes: int) -> int:
    """How many bytes a file of so many takes as base64 lines of 76 characters and CRLF."""
    chars = (size_bytes + 2) // 3 * 4
    return chars + (chars + 75) // 76 * 2


def references(html: str) -> frozenset[str]:
    """The content IDs that an HTML names, in attributes or styles (RFC 2392)."""
    return frozenset(unquote(found[1]).rstrip(".") for found in _CID.finditer(html))


def with_references(html: str, urls: dict[str, str]) -> str:
    """The HTML with each ``cid:`` of a known content ID replaced by its URL; others stay."""
    return _CID.sub(lambda found: urls.get(unquote(found[1]), found[0]), html) if urls else html


def warnings(html: str, files: Sequence[MailingFile]) -> tuple[Problem, ...]:
    """What the author should look at: images that are named and not there, and the reverse."""
    named, there = references(html), {each.content_id for each in files if each.content_id}
    missing = [Problem("INVALID_VALUE", f"The HTML shows cid:{name[:MAX_CONTENT_ID]}, but no file has this content ID. "
                                        "Add the file, or correct the name.", "html") for name in sorted(named - there)]
    unused = [Problem("INVALID_VALUE", f"No image of the HTML shows the file with the content ID '{name}'. Name it as "
                                       f"cid:{name}, or leave the content ID out to attach it.", "files")
              for name in sorted(there - named)]
    return (*missing, *unused)


def _checked(number: int, given: MailingFile) -> MailingFile:
    name, content_type = given.name.strip(), given.content_type.strip().lower() or "application/octet-stream"
    content_id = (given.content_id or "").strip().removeprefix("<").removesuffix(">") or None
    if len(name) > MAX_NAME or len(content_type) > MAX_CONTENT_TYPE or len(content_id or "") > MAX_CONTENT_ID:
        raise GatewayError("FIELD_TOO_LONG", f"File {number}: a name has at most {MAX_NAME} characters, a content type "
                           f"{MAX_CONTENT_TYPE}, a content ID {MAX_CONTENT_ID}.", field="files")
    if holds_forbidden(name) or _NOT_IN_A_NAME.search(name):
        raise GatewayError("INVALID_CHARACTER", f"File {number}: its name holds a character that file names do not "
                                                "have. Send the bare name without a folder.", field="files")
    if not name.strip("."):
        raise GatewayError("INVALID_VALUE", f"File {number} has no name. Give it one such as agenda.pdf.",
                           field="files")
    if not _CONTENT_TYPE.fullmatch(content_type) or content_type.startswith(_IN_PARTS):
        raise GatewayError("INVALID_VALUE", f"File {number}: its content type must read like application/pdf, and be "
                                            "neither multipart nor message.", field="files")
    if content_id and not _CONTENT_ID.fullmatch(content_id):
        raise GatewayError("INVALID_VALUE", f"File {number}: a content ID is made of letters, digits and . _ + - with "
                                            "perhaps one @ within, as in logo or logo@example.org.", field="files")
    if not given.data:
        raise GatewayError("INVALID_VALUE", f"File {number} is empty. Send its bytes, or leave it out.", field="files")
    return replace(given, name=name, content_type=content_type, content_id=content_id)
