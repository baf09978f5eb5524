"""What is kept of a call that was refused? (``/diagnose``)"""

from __future__ import annotations

import re

from gateway.domain.callers import NO_BRAND, brand_number, split_user
from gateway.domain.diagnosis import FailedEnvelope, Seen
from gateway.services import diagnosis
from gateway.services.gateway import Gateway
from gateway.soap.auth import DOOR
from gateway.spynekit.faults import as_gateway_error
from gateway.spynekit.outline import outline
from gateway.spynekit.wsgi import Call, Watch
from gateway.spynekit.wsse import read_basic

_BRAND = re.compile(rb"brandId>\s*(\d{1,10})\s*<")
_USER_NAME = re.compile(rb"Username[^>]*>\s*(\d{1,10})/")
_LOOKED_AT = 64 * 1024


def watch(gateway: Gateway) -> Watch:
    """Keeps refused calls of the brand that they name, if it has chosen so."""
    def look(call: Call, error: Exception) -> None:
        brand_id = _brand(call)
        if brand_id == NO_BRAND or not diagnosis.is_kept(gateway, brand_id):
            return
        refusal = as_gateway_error(error)
        text = diagnosis.readable(call.content)
        found, broken = outline(text)
        diagnosis.note(gateway, FailedEnvelope(
            brand_id, DOOR, refusal.code, refusal.message, text, tuple(Seen(*each) for each in found), call.operation,
            broken[0] if broken and refusal.code == "MALFORMED_REQUEST" else None, call.request_id), refusal.field)
    return look


def _brand(call: Call) -> int:
    """The brand that the credentials name, right or wrong; they may stand in the envelope or in the HTTP header."""
    head = call.content[:_LOOKED_AT]
    found = _BRAND.search(head) or _USER_NAME.search(head)
    if found:
        return brand_number(found[1].decode())
    basic = read_basic(call.environ.get("HTTP_AUTHORIZATION"))
    return NO_BRAND if basic is None else split_user(basic.user_name)[0]
