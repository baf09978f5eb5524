"""How does a refusal of the document API look on the wire? As its old clients read it, and nothing else (section 8)."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from gateway.aapi.contract import FAULT, NAMESPACE
from gateway.aapi.faults import INTERNAL_ERROR, AapiError, from_gateway
from gateway.errors import GatewayError
from gateway.spynekit.faults import SOAP11, FaultAnswer, SoapError, UnknownOperation, as_gateway_error, visible
from gateway.spynekit.wsgi import Call

STATUS = "500 Internal Server Error"
CONTENT_TYPE = ("Content-Type", f"{SOAP11.media_type}; charset=utf-8")


class InformzDialect:
    """Faults with an ``InformzServiceFault`` as their detail; all have HTTP 500."""

    def code(self, error: Exception) -> str | None:
        """What the log calls it: the code of the fault, of a busy store the catalogue's; None for our own mistakes."""
        if isinstance(error, AapiError):
            return error.code if error.code != INTERNAL_ERROR else None
        code = as_gateway_error(error).code
        if code == "INTERNAL_ERROR":
            return None
        told = from_gateway(as_gateway_error(error)).code
        return code if told == INTERNAL_ERROR else told

    def fault(self, error: Exception, call: Call) -> FaultAnswer:
        """The fault for whatever was raised. What nobody foresaw tells an id that the log shows too."""
        return written(error, call.request_id)


def refusal(error: GatewayError, _content_type: str, request_id: str) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status line, headers and body of a fault for what the server refuses before this door sees it."""
    answer = written(error, request_id)
    return answer.status, [*answer.headers, ("X-Request-Id", request_id)], answer.body


def written(error: Exception, request_id: str) -> FaultAnswer:
    """The whole answer. The SOAP stack's own refusals have no detail: they are not about this operation."""
    if isinstance(error, SoapError | UnknownOperation):
        code = error.fault_code if isinstance(error, SoapError) else SOAP11.client
        return _answer(code, error.message, "")
    told = error if isinstance(error, AapiError) else from_gateway(as_gateway_error(error))
    side = SOAP11.server if told.code == INTERNAL_ERROR else SOAP11.client
    reason = told.reason
    if side == SOAP11.server:
        reason = f"{reason} The log has more about {request_id}."
    text = visible(reason)
    detail = (f"<detail><{FAULT} xmlns={quoteattr(NAMESPACE)}><Code>{told.code}</Code><Message>{text}</Message>"
              f"<Reason>{text}</Reason></{FAULT}></detail>")
    retry_after_s = getattr(error, "retry_after_s", None)
    return _answer(side, reason, detail, [("Retry-After", str(retry_after_s))] if retry_after_s else [])


def _answer(code: str, reason: str, detail: str, headers: list[tuple[str, str]] | None = None) -> FaultAnswer:
    body = (f'<?xml version="1.0" encoding="utf-8"?>\n<s:Envelope xmlns:s="{SOAP11.envelope}"><s:Body><s:Fault>'
            f"<faultcode>s:{code}</faultcode><faultstring>{visible(reason)}</faultstring>{detail}"
            "</s:Fault></s:Body></s:Envelope>")
    return FaultAnswer(STATUS, (CONTENT_TYPE, *(headers or ())), body.encode())
