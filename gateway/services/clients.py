"""Which mail program or browser does a User-Agent name, and of what type is it? (aapi.md section 7.4)"""

from __future__ import annotations

import functools
import re

from ua_parser import parse

from gateway.domain.events import BROWSER, DESKTOP, MOBILE, UNKNOWN, WEB_MAIL

MAX_AGENT, MAX_NAME = 500, 100

_PROGRAMS = ("apple mail", "outlook", "thunderbird", "lotus notes", "windows live mail", "windows mail", "postbox",
             "airmail", "sparrow", "spark", "evolution", "kmail", "eudora", "emclient", "mailbird", "the bat!")
"""Parts of the names of programs that show mail on a desktop."""

_WEB_MAIL = ("gmailimageproxy", "yahoomailproxy", "googleimageproxy", "outlook.com", "roundcube", "squirrelmail")
_PHONES = frozenset(("ios", "android", "windows phone", "windows mobile", "blackberry os", "blackberry tablet os",
                     "firefox os", "symbian os", "kaios", "harmonyos", "tizen", "bada", "webos"))
_DESKTOPS = frozenset(("windows", "mac os x", "linux", "ubuntu", "chrome os", "fedora", "debian", "freebsd", "openbsd"))


_MINOR = re.compile(r"(?<=\d[._])\d+", re.ASCII)
"""The parts of a version behind its first number, which tell no client from another, but make thousands of agents."""


def client_of(agent: str) -> tuple[str | None, str]:
    """(name, type) of what sent this User-Agent; the name is None where it says none. Remembered, for few are many's.

    A type is mobile, desktop (a mail program), web browser, web based email or unknown.
    """
    return _client(_MINOR.sub("0", agent[:MAX_AGENT]))


@functools.lru_cache(maxsize=4096)
def _client(agent: str) -> tuple[str | None, str]:
    read = parse(agent)
    family = read.user_agent.family if read.user_agent else None
    system = read.os.family.lower() if read.os else ""
    said = agent.lower()
    name = family or next((word.title() for word in _PROGRAMS if word in said), None)
    return (name[:MAX_NAME] if name else None), _type(said, (name or "").lower(), system)


def _type(said: str, name: str, system: str) -> str:
    if any(word in said or word in name for word in _WEB_MAIL):
        return WEB_MAIL
    if system in _PHONES:
        return MOBILE
    if any(word in name for word in _PROGRAMS):
        return DESKTOP
    return BROWSER if name and system in _DESKTOPS else UNKNOWN
