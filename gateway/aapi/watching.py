"""What is kept of a document that was refused? (``/diagnose``)"""

from __future__ import annotations

import re

from gateway.aapi.faults import AapiError, from_gateway
from gateway.domain.diagnosis import FailedEnvelope, Seen
from gateway.errors import GatewayError
from gateway.services import diagnosis, documentaccounts
from gateway.services.documentaccounts import DOOR
from gateway.services.gateway import Gateway
from gateway.spynekit.faults import as_gateway_error
from gateway.spynekit.outline import Outlined, outline
from gateway.spynekit.wsgi import Call, Watch

_BRAND = re.compile(rb"Brand\s[^>&]*?id\s*=\s*(?:\"|'|&quot;|&apos;|&#3[49];)\s*(\d{1,10})")
_LOOKED_AT = 64 * 1024
_DOCUMENT = "/PostInformzMessage/x"


def watch(gateway: Gateway) -> Watch:
    """Keeps refused documents of the one account that they name, if it has chosen so."""
    def look(call: Call, error: Exception) -> None:
        numbers = set(_BRAND.findall(call.content[:_LOOKED_AT]))
        try:
            account = documentaccounts.find(gateway, numbers.pop().decode()) if len(numbers) == 1 else None
        except GatewayError:
            return
        if account is None or not diagnosis.is_kept(gateway, account.brand_id):
            return
        told = error if isinstance(error, AapiError) else from_gateway(as_gateway_error(error))
        text = diagnosis.readable(call.content)
        found, broken = outline(text)
        diagnosis.note(gateway, FailedEnvelope(
            account.brand_id, DOOR, told.code, told.reason, text, tuple(Seen(*each) for each in found), call.operation,
            _line(told, found) or (broken[0] if broken else None), call.request_id))
    return look


def _line(told: AapiError, found: list[Outlined]) -> int | None:
    """The line of the envelope, of one that counts from the start of the document in it."""
    begins = next((each.line for each in found if each.path.endswith(_DOCUMENT)), None)
    return None if told.line is None or begins is None else begins + told.line - 1
