"""The kit's own small service, mounted twice: on stock Spyne and on ours."""

import datetime as dt
from dataclasses import dataclass

from spyne import Application, Boolean, ByteArray, Date, DateTime, Decimal, Duration, Fault, Int, Service, Time, Unicode
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication
from werkzeug.test import Client

from gateway.errors import GatewayError
from gateway.spynekit.codec import element, raw_answer
from gateway.spynekit.limits import Limits
from gateway.spynekit.models import clearable, list_of, mandatory, optional, vocabulary
from gateway.spynekit.wsgi import SoapEndpoint

TNS = "urn:sample:v1"
E11 = "http://schemas.xmlsoap.org/soap/envelope/"
E12 = "http://www.w3.org/2003/05/soap-envelope"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TYPES = {E11: "text/xml; charset=utf-8", E12: "application/soap+xml; charset=utf-8"}

v = vocabulary(TNS)
Colour = v.enum("Colour", ("Red", "Green"), "The colours there are.")
Code = v.simple(Unicode, "Code", "A short code.", max_len=8, pattern="[A-Za-z]*")


class Credentials(v.Record):
    """Who calls."""

    userName = mandatory(Unicode, "The user's name.")
    password = mandatory(Unicode, "The user's password.")


class Thing(v.Record):
    """One thing of every kind."""

    text = optional(Unicode, "Any text.")
    flag = optional(Boolean, "Yes or no.")
    blob = optional(ByteArray, "Bytes.")
    colour = optional(Colour, "A colour.")
    number = optional(Int, "A number.")
    amount = optional(Decimal, "An amount.", ge=0)
    at = optional(DateTime, "An instant.")
    day = optional(Date, "A day.")
    hour = optional(Time, "A time of day.")
    span = optional(Duration, "A duration.")
    code = optional(Code, "A code.")
    note = clearable(Unicode, "A note; nil clears it.", min_occurs=0)


class EchoRequest(v.Record):
    thing = list_of(Thing, "Things to be sent back.")


class EchoAnswer(v.Record):
    caller = optional(Unicode, "Who called.")
    seen = mandatory(Unicode, "The things as the server sees them.")
    thing = list_of(Thing, "The things.")
    extra = v.extra()


class BulkRequest(v.Record):
    thing = list_of(Thing, "Things to be counted.", at_least=1)


class BulkAnswer(v.Record):
    count = mandatory(Int, "How many.")


class RaiseRequest(v.Record):
    kind = mandatory(Unicode, "What to raise.")


class StockFault(Fault):
    """A fault with a member, as Spyne's documentation shows it."""

    __namespace__ = TNS
    reason = Unicode

    def __init__(self):
        super().__init__("Client.Stock", "refused")
        self.reason = "because"


def decode_bulk(body):
    return [thing.findtext(f"{{{TNS}}}text") for thing in body]


SECRET = "hunter2"


def raise_kind(kind):
    if kind == "stock":
        raise StockFault()
    if kind == "secret":
        raise RuntimeError(f"{SECRET} in SELECT * FROM users")
    if kind == "chained":
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(SECRET) from error
    raise GatewayError(kind, field="kind")


class SampleService(Service):
    __service_name__ = "Sample"
    __in_header__ = Credentials

    @v.operation(EchoRequest, EchoAnswer)
    def Echo(ctx, request):
        """Sends the things back and says how they were understood."""
        things = request.thing or []
        seen = "; ".join(repr([getattr(thing, name, None) for name in Thing.get_flat_type_info(Thing)])
                         for thing in things)
        caller = ctx.in_header.userName if ctx.in_header else None
        return EchoAnswer(caller=caller, seen=seen, thing=[])

    @v.operation(None, None)
    def Ping(ctx, request):
        """Does nothing."""

    @v.operation(BulkRequest, BulkAnswer, decode=decode_bulk)
    def Bulk(ctx, request):
        """Counts things decoded by hand."""
        return BulkAnswer(count=len(request))

    @v.operation(BulkRequest, BulkAnswer)
    def Report(ctx, request):
        """Answers with ready text."""
        raw_answer(ctx, f'<r:ReportResponse xmlns:r="{TNS}">{element("r:count", str(len(request.thing)))}'
                        "</r:ReportResponse>")

    @v.operation(RaiseRequest, None)
    def Raise(ctx, request):
        """Raises what is asked for."""
        if ctx.udc is not None:  # stock Spyne has none
            ctx.udc.fault_extra.append(("kind", request.kind))
        raise_kind(request.kind)

    @v.operation(None, BulkAnswer)
    def Forget(ctx, request):
        """Leaves out a mandatory member of its answer."""
        return BulkAnswer()


def ours(limits=None, **options):
    """Our endpoint."""
    return SoapEndpoint([SampleService], tns=TNS, name="Sample", address="http://gateway.test/soap", realm="sample",
                        limits=limits or Limits(items=50_000), **options)


def stock(protocol=Soap11, validator="lxml", **options):
    """Spyne as it comes, over the same service."""
    application = Application([SampleService], TNS, "Sample", in_protocol=protocol(validator=validator),
                              out_protocol=protocol())
    return WsgiApplication(application, **options)


@dataclass(frozen=True)
class Outcome:
    """What a server did with a request: an answer, or an exception that the WSGI server would turn into bare HTML."""

    status: int
    body: bytes = b""
    headers: dict | None = None
    uncaught: BaseException | None = None

    @property
    def accepted(self):
        return self.status == 200


def send(app, data, content_type=TYPES[E11], path="/soap", method="POST", headers=None, **options):
    """One request; never raises."""
    try:
        answer = Client(app).open(path, method=method, data=data, content_type=content_type, headers=headers, **options)
        return Outcome(answer.status_code, answer.get_data(), dict(answer.headers))
    except Exception as error:
        return Outcome(0, uncaught=error)


def envelope(body, header="", version=E11):
    """An envelope as text."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return f'<s:Envelope xmlns:s="{version}" xmlns:t="{TNS}" xmlns:i="{XSI}">{head}<s:Body>{body}</s:Body></s:Envelope>'


def echo(inner):
    """An Echo call of one thing."""
    return f"<t:Echo><t:thing>{inner}</t:thing></t:Echo>"


NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
