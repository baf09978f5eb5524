"""What do the fields of a report say: of a delivery status (RFC 3464, RFC 6533), of feedback (RFC 5965)?"""

from __future__ import annotations

import re

from gateway.domain.returned import ACTIONS, DELAYED, DELIVERED, FAILED, Verdict

MAX_RECIPIENTS = 100
MAX_FIELDS = 5000
MAX_DIAGNOSTIC = 500

STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
_FIELD = re.compile(r"([!-9;-~]{1,100})[ \t]*:[ \t]*(.*)")
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_ADDRESS = re.compile(r"[^\s<>(),;:\"]{1,250}@[^\s<>(),;:\"]{1,254}")
_RECIPIENTS = ("original-recipient", "x-actual-recipient", "final-recipient")


def verdicts(text: str) -> tuple[Verdict, ...]:
    """What a delivery status says of each recipient; empty when it names none."""
    found = []
    for block in _blocks(text)[:MAX_RECIPIENTS]:
        verdict = _verdict(block)
        if verdict is not None:
            found.append(verdict)
    return tuple(found)


def feedback_type(text: str) -> str:
    """The type of a feedback report in lower case, cut (RFC 5965, 3.1); ``other`` when it has none."""
    for name, value in _fields(text):
        if name == "feedback-type":
            return value.split("(")[0].strip().lower()[:30] or "other"
    return "other"


def _verdict(block: dict[str, str]) -> Verdict | None:
    if not any(name in block for name in (*_RECIPIENTS, "action")):
        return None  # the fields of the whole message
    found = STATUS.search(block.get("status", ""))
    status = found[1] if found else None
    diagnostic = block.get("diagnostic-code", "")[:MAX_DIAGNOSTIC]
    action = _action(block.get("action", ""), status or "")
    if action is None:
        return None
    addresses = [_address(block[name]) for name in _RECIPIENTS if name in block]
    return Verdict(action, tuple(dict.fromkeys(address for address in addresses if address)), status, diagnostic)


def _action(text: str, status: str) -> str | None:
    """One of the actions; without a readable one, what the status says."""
    word = re.split(r"[^a-z]", text.strip().lower(), maxsplit=1)[0]
    if word in ACTIONS:
        return word
    if word.startswith("fail"):
        return FAILED
    return {"5": FAILED, "4": DELAYED, "2": DELIVERED}.get(status[:1])


def _address(value: str) -> str:
    """The address behind ``rfc822;`` or ``utf-8;``, its escapes read (RFC 6533, section 3); empty when it has none."""
    text = _ESCAPED.sub(_unescaped, value.partition(";")[2] or value)
    found = _ADDRESS.search(text)
    return found[0] if found else ""


def _unescaped(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""


def _blocks(text: str) -> list[dict[str, str]]:
    """Groups of fields by name, the first value of each; a recipient named again begins a new one."""
    found: list[dict[str, str]] = [{}]
    for name, value in _fields(text):
        if not name or (name in _RECIPIENTS and name in found[-1]):
            found.append({})
        if name:
            found[-1].setdefault(name, value)
    return [block for block in found if block]


def _fields(text: str) -> list[tuple[str, str]]:
    """Names in lower case and unfolded values in order; an empty name where an empty line was."""
    found: list[tuple[str, str]] = []
    for line in text.split("\n", MAX_FIELDS)[:MAX_FIELDS]:
        if line[:1] in (" ", "\t") and line.strip() and found and found[-1][0]:
            found[-1] = found[-1][0], f"{found[-1][1]} {line.strip()}"[:2 * MAX_DIAGNOSTIC]
            continue
        match = _FIELD.match(line)
        if match:
            found.append((match[1].lower(), match[2].strip()[:2 * MAX_DIAGNOSTIC]))
        elif not line.strip():
            found.append(("", ""))
    return found
