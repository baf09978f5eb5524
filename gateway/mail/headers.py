"""How does any text become a header line that is valid, folded, and nothing but one header? (SEND-40..42)

Whatever comes in, CR, LF and NUL do not come out: control characters become a blank before anything else. Characters
that turn the direction of what follows go too: a name could else write over the rest of a line.
"""

from __future__ import annotations

import base64
import re

from gateway.errors import GatewayError

MAX_LINE = 76
_MAX_PLAIN_WORD = 60
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_BAD_ADDRESS = re.compile(r"[\x00-\x20\x7f-\xa0\xad<>()\[\],;:\\\"]"
                          r"|[\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ud800-\udfff]|\.\.|^\.|\.@|@\.|\.$")
_ORDINARY_ADDRESS = re.compile(r"[A-Za-z0-9_+-]{1,30}(?:\.[A-Za-z0-9_+-]{1,30})?@"
                               r"(?:[A-Za-z0-9-]{1,30}\.){1,3}[A-Za-z]{2,20}")
"""As nearly all are: sound at first sight."""


def one_line(text: str) -> str:
    """The text without control characters, line breaks and outer blanks; each run of them is one blank."""
    if not text.isascii():
        text = _DIRECTIONS.sub("", text)
    return _CONTROLS.sub(" ", text).strip()


def unstructured(name: str, text: str) -> bytes:
    """``name: text`` as a header with its final CRLF, folded; RFC 2047 words where plain ASCII will not do."""
    text = one_line(text)
    if _is_plain(text):
        return _folded(name + ":", text.split(" ")).encode() + b"\r\n"
    return _folded(name + ":", encoded_words(text, MAX_LINE - len(name) - 2)).encode() + b"\r\n"


def structured(name: str, parts: list[str]) -> bytes:
    """A header of ASCII ``parts`` that may be parted by a fold between them, as those of List-Unsubscribe."""
    return _folded(name + ":", parts).encode("utf-8") + b"\r\n"


def mailbox(name: str, display_name: str, address: str) -> bytes:
    """A header with one mailbox. Raises ``GatewayError`` INVALID_EMAIL for an address that cannot be one."""
    address, display_name = wire_address(address), one_line(display_name)
    if not display_name:
        parts = [address]
    elif not _is_plain(display_name) or len(display_name) > _MAX_PLAIN_WORD:
        parts = [*encoded_words(display_name, MAX_LINE - len(name) - 2), f"<{address}>"]
    elif _PHRASE.fullmatch(display_name):
        parts = [display_name, f"<{address}>"]
    else:
        quoted = display_name.replace("\\", "\\\\").replace('"', '\\"')
        parts = [f'"{quoted}"', f"<{address}>"]
    return structured(name, parts)


def wire_address(address: str, field: str = "email") -> str:
    """The address as it goes out, its domain in ASCII (IDNA). Raises ``GatewayError`` INVALID_EMAIL.

    Letters outside ASCII before the @ stay as they are, for a mail server that takes SMTPUTF8 (RFC 6531, RFC 6532).
    """
    if _ORDINARY_ADDRESS.fullmatch(address):
        return address
    local, at, domain = address.rpartition("@")
    if not (local and at and domain) or "@" in local or len(address) > 254 or _BAD_ADDRESS.search(address):
        raise GatewayError("INVALID_EMAIL", "The e-mail address cannot stand in a message; it must read "
                           "name@example.org.", field=field)
    if domain.isascii():
        return address
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise GatewayError("INVALID_EMAIL", "The domain of the e-mail address is not valid.", field=field) from None


def encoded_words(text: str, first_chars: int) -> list[str]:
    """The text as RFC 2047 words of at most 75 characters (the first: ``first_chars``), never within a character."""
    room = _bytes_in(first_chars)
    if len(text) * 4 <= room or len(text.encode()) <= room:
        return [_word([text])]
    words: list[str] = []
    chunk, size = [], 0
    for char in text:
        length = len(char.encode())
        if size + length > room:
            words.append(_word(chunk))
            chunk, size, room = [], 0, _bytes_in(75)
        chunk.append(char)
        size += length
    words.append(_word(chunk))
    return words


def _bytes_in(chars: int) -> int:
    """How many bytes fit into an encoded word of so many characters: 12 of them are the frame, 4 carry 3."""
    return (min(chars, 75) - 12) // 4 * 3


def _word(chunk: list[str]) -> str:
    return "=?utf-8?b?" + base64.b64encode("".join(chunk).encode()).decode() + "?="


def _is_plain(text: str) -> bool:
    """ASCII that no reader takes for an encoded word, in words short enough to fold."""
    return text.isascii() and "=?" not in text and (
        len(text) <= _MAX_PLAIN_WORD or len(max(text.split(" "), key=len)) <= _MAX_PLAIN_WORD)


def _folded(line: str, parts: list[str]) -> str:
    """The parts behind the name, each on the line as long as it fits, else on a new line behind one blank."""
    lines = []
    for part in parts:
        if len(line) + 1 + len(part) > MAX_LINE and not line.endswith(":"):
            lines.append(line)
            line = ""
        line += " " + part
    return "\r\n".join([*lines, line])
