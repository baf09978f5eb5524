"""Was this form sent from its own page, and what does it say? (ID-56)"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flask import Request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import Forbidden, UnsupportedMediaType

from gateway.domain.preferences import Posted

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_NAME = 64

_INPUT = re.compile(r"([foiw])([0-9]{1,18})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def require_own_form(request: Request, public_url: str) -> None:
    """Raises what is a 415 for anything but an ordinary form, a 403 for one that another site sends.

    A page without referrer sends ``Origin: null`` also to itself; browsers that know ``Sec-Fetch-Site`` say it there.
    """
    if request.mimetype != FORM_TYPE:
        raise UnsupportedMediaType
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden
    origin = request.headers.get("Origin", "null")
    if site is None and origin != "null" and urlsplit(origin).netloc not in (urlsplit(public_url).netloc, request.host):
        raise Forbidden


def posted(form: MultiDict[str, str]) -> Posted:
    """What a form says; inputs that no form of ours has are passed over."""
    texts: dict[str, dict[int, str]] = {"f": {}, "o": {}, "i": {}, "w": {}}
    for name, text in form.items():
        found = _INPUT.fullmatch(name)
        if found is not None:
            texts[found[1]][int(found[2])] = text
    return Posted(form.get("form", "")[:MAX_FORM_NAME], texts["f"], texts["o"],
                  {number: text == "1" for number, text in texts["w"].items()}, frozenset(texts["i"]))


def is_day(text: str) -> bool:
    """Whether an input for days can show the text."""
    return _DAY.fullmatch(text) is not None
