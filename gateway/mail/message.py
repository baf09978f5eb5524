"""Which bytes does each recipient of a mailing get? Compiled once, then only the slots are filled (SEND-39..46)"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import format_datetime
from urllib.parse import urlsplit

from gateway.domain import tokens
from gateway.domain.tokens import Keys, Kind, Token
from gateway.errors import GatewayError
from gateway.mail import headers, links, personalise, plaintext, quoted
from gateway.mail.personalise import HTML, SUBJECT, TEXT, UNSUBSCRIBE_URL, VIEW_URL, Template

HTML_FOOTER = ('<p style="font-size:12px;text-align:center"><a href="{{ unsubscribe_url }}">Unsubscribe</a></p>\n')
TEXT_FOOTER = "\n\nUnsubscribe: {{ unsubscribe_url }}\n"

_NOT_IN_LIST_ID = re.compile(r"[^A-Za-z0-9.-]+")
_PART = ('Content-Type: text/{}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n')


@dataclass(frozen=True, slots=True)
class MailingContent:
    """What the author wrote. ``text`` empty: made from the HTML. ``reply_to`` empty: no such header."""

    subject: str
    from_name: str
    from_address: str
    reply_to: str
    html: str
    text: str
    track_opens: bool = True
    track_clicks: bool = True


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets one copy. ``values``: field name -> text; ``name`` stands beside the address in To."""

    brand_id: int
    instance_id: int
    delivery_id: int
    email: str
    values: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True)
class BuiltMessage:
    """One message with its envelope; ``data`` has CRLF line ends and no dots stuffed."""

    envelope_from: str
    envelope_to: str
    data: bytes


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """What one person would read, with LF line ends; ``size_bytes`` of the whole message."""

    subject: str
    html: str
    text: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CompiledMailing:
    """A mailing ready to be built for any number of recipients; made by :func:`compile_mailing`.

    ``links``: the frozen table, number -> URL (SEND-46); the same content always gives the same numbers.
    ``merge_tags``: the fields the mailing asks for. ``text_made``: the text part was made from the HTML.
    """

    links: tuple[str, ...]
    merge_tags: frozenset[str]
    text_made: bool
    keys: Keys = field(repr=False)
    public_url: str
    domain: str
    subject: Template = field(repr=False)
    html: Template = field(repr=False)
    text: Template = field(repr=False)
    head: bytes = field(repr=False)
    tail: bytes = field(repr=False)
    boundary: str = field(repr=False)

    def build(self, recipient: Recipient, date: dt.datetime) -> BuiltMessage:
        """The message for one recipient. The same arguments give the same bytes (SEND-23).

        Raises ``GatewayError`` INVALID_EMAIL for an address that cannot stand in a message; nothing else that
        comes with a recipient can make it fail. ``date`` is aware.
        """
        values = self._values(recipient)
        local_part = tokens.verp_local_part(self.keys, recipient.brand_id, recipient.delivery_id)
        body = self._body(values)
        head = b"".join((
            self.head,
            headers.mailbox("To", recipient.name, recipient.email),
            headers.unstructured("Subject", self.subject.render(values)),
            _date_line(int(date.timestamp())),
            f"Message-ID: <{self.message_id(recipient)}>\r\n".encode(),
            headers.structured("List-Unsubscribe", [f"<{values[UNSUBSCRIBE_URL]}>,",
                                                    f"<{self._unsubscribe_address(recipient)}>"]),
            self.tail))
        return BuiltMessage(f"{local_part}@{self.domain}", headers.wire_address(recipient.email), head + body)

    def render(self, recipient: Recipient, date: dt.datetime) -> RenderedMessage:
        """The parts of exactly the message that :meth:`build` makes, for a preview or the view in a browser."""
        values = self._values(recipient)
        return RenderedMessage(headers.one_line(self.subject.render(values)), quoted.plain(self.html.render(values)),
                               quoted.plain(self.text.render(values)), len(self.build(recipient, date).data))

    def message_id(self, recipient: Recipient) -> str:
        """The Message-ID without brackets: a function of instance, delivery and domain alone (SEND-23).

        A copy that has no delivery (``delivery_id`` 0) needs an ``instance_id`` of its own to differ from others.
        """
        token = Token(Kind.MESSAGE, recipient.brand_id, recipient.delivery_id, recipient.instance_id)
        return f"m-{tokens.mint_address(self.keys, token)}@{self.domain}"

    def _values(self, recipient: Recipient) -> dict[str, str]:
        """The person's values, the special tags and our own slots; what a person is called cannot replace ours."""
        def minted(kind: Kind) -> tuple[Token, str]:
            token = Token(kind, recipient.brand_id, recipient.delivery_id)
            return token, tokens.mint(self.keys, token)

        values = dict(recipient.values)
        for name, kind in ((UNSUBSCRIBE_URL, Kind.UNSUBSCRIBE), (VIEW_URL, Kind.VIEW)):
            if kind is Kind.UNSUBSCRIBE or name in self.html.names or name in self.text.names:
                values[name] = self.public_url + tokens.path(*minted(kind))
        if _OPEN_SLOT in self.html.names:
            values[_OPEN_SLOT] = minted(Kind.OPEN)[1] + quoted.SOFT_BREAK
        clicks = tokens.mint_clicks(self.keys, recipient.brand_id, recipient.delivery_id, len(self.links))
        values.update((_click_slot(number), text + quoted.SOFT_BREAK) for number, text in enumerate(clicks))
        return values

    def _unsubscribe_address(self, recipient: Recipient) -> str:
        token = Token(Kind.UNSUBSCRIBE, recipient.brand_id, recipient.delivery_id)
        return f"mailto:u-{tokens.mint_address(self.keys, token)}@{self.domain}?subject=unsubscribe"

    def _body(self, values: Mapping[str, str]) -> bytes:
        boundary = self.boundary
        return (f"\r\n--{boundary}\r\n{_PART.format('plain')}{self.text.render(values)}"
                f"\r\n--{boundary}\r\n{_PART.format('html')}{self.html.render(values)}"
                f"\r\n--{boundary}--\r\n").encode("ascii")


def compile_mailing(content: MailingContent, *, public_url: str, list_id: str, keys: Keys,
                    frozen_links: Sequence[str] | None = None) -> CompiledMailing:
    """Parses and checks a mailing once. Raises ``GatewayError`` INVALID_VALUE, INVALID_CHARACTER or INVALID_EMAIL
    with the field (``subject``, ``html``, ``text``, ``fromAddress``, ``replyTo``) and the line of the fault.

    ``list_id``: a name for List-Id such as ``news.example.org``. A part that does not show ``{{ unsubscribe_url }}`` to
    everybody gets a line with the link at its end. ``keys`` sign the tokens: pin them to the key of the instance
    (SEND-23). ``frozen_links``: the instance's table, which decides the numbers; a link that is not in it is not
    tracked (SEND-46).
    """
    for name, value in (("subject", content.subject), ("html", content.html)):
        if not value.strip():
            raise GatewayError("INVALID_VALUE", f"{name} is empty; a mailing needs one.", field=name)
    subject = personalise.compile_template(content.subject, SUBJECT, "subject")
    html = _line_ends(content.html)
    asked = personalise.merge_tags(html, "html") | (subject.names - personalise.SPECIAL_TAGS)
    text = _line_ends(content.text) if content.text.strip() else _made_text(html)
    asked |= personalise.merge_tags(text, "text")

    urls = {url: number for number, url in enumerate(frozen_links or ())} if content.track_clicks else None
    frozen = frozen_links is not None
    html = _tracked_html(html, urls, frozen, public_url, content.track_opens)
    text = _tracked_text(text, urls, frozen, public_url)
    boundary = "=_" + hashlib.sha256(html.encode("utf-8", "replace")).hexdigest()[:24]  # "=_" is in no such body
    return CompiledMailing(
        links=tuple(urls or ()), merge_tags=frozenset(asked), text_made=not content.text.strip(), keys=keys,
        public_url=public_url, domain=mail_domain(public_url), subject=subject,
        html=personalise.compile_pieces(html, HTML, "html"), text=personalise.compile_pieces(text, TEXT, "text"),
        head=_head(content), tail=_tail(list_id, public_url, boundary), boundary=boundary)


def mail_domain(public_url: str) -> str:
    """The domain of our Message-IDs and return paths: the host of the public URL.

    A return path needs a domain name, so an IP address or a bare name such as ``localhost`` becomes
    ``localhost.localdomain``; bounces of mail sent under such a URL cannot come back anyway.
    """
    host = (urlsplit(public_url).hostname or "").rstrip(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if "." in host:
            return headers.wire_address(f"x@{host}", "publicUrl").partition("@")[2]
    return "localhost.localdomain"


# --- compiling ------------------------------------------------------------------------------------------------

_OPEN_SLOT = "_open"


def _click_slot(number: int) -> str:
    return f"_click{number}"


def _line_ends(template: str) -> str:
    return template.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"


def _made_text(html: str) -> str:
    """The text part made from the HTML; without conditions where those do not pair up outside the markup."""
    text = plaintext.from_html(html)
    try:
        personalise.merge_tags(text)
    except GatewayError:
        text = plaintext.without_conditions(text)
    return text


def _click_link(public_url: str) -> Callable[[int], str]:
    """Number of a link -> what stands in the template in its place."""
    start = public_url + tokens.path(Token(Kind.CLICK, 0, 0), "")
    return lambda number: f"{start}{{{{ {_click_slot(number)} }}}}"


def _tracked_html(html: str, urls: dict[str, int] | None, frozen: bool, public_url: str, track_opens: bool) -> str:
    if UNSUBSCRIBE_URL not in personalise.always_named(links.without_comments(html), "html"):
        html = links.before_end_of_body(html, HTML_FOOTER)
    html = links.cut_html(html, urls, _click_link(public_url), frozen=frozen)
    if track_opens:
        pixel = (f'<img src="{public_url}{tokens.path(Token(Kind.OPEN, 0, 0), "")}{{{{ {_OPEN_SLOT} }}}}" width="1" '
                 'height="1" alt="" style="border:0">\n')
        html = links.before_end_of_body(html, pixel)
    return html.rstrip("\n") + "\n"


def _tracked_text(text: str, urls: dict[str, int] | None, frozen: bool, public_url: str) -> str:
    if UNSUBSCRIBE_URL not in personalise.always_named(text, "text"):
        text = text.rstrip("\n") + TEXT_FOOTER
    return links.cut_text(text, urls, _click_link(public_url), frozen=frozen)


def _head(content: MailingContent) -> bytes:
    headers.wire_address(content.from_address, "fromAddress")
    head = headers.mailbox("From", content.from_name, content.from_address)
    if content.reply_to:
        headers.wire_address(content.reply_to, "replyTo")
        head += headers.mailbox("Reply-To", "", content.reply_to)
    return head


def _tail(list_id: str, public_url: str, boundary: str) -> bytes:
    name = _NOT_IN_LIST_ID.sub("-", list_id).strip("-.") or mail_domain(public_url)
    return (f"List-Id: <{name}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nMIME-Version: 1.0\r\n"
            f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n').encode()


@functools.lru_cache(maxsize=16)
def _date_line(timestamp: int) -> bytes:
    return f"Date: {format_datetime(dt.datetime.fromtimestamp(timestamp, dt.UTC))}\r\n".encode()
