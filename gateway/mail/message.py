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
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.domain import files, tokens
from gateway.domain.files import MailingFile
from gateway.domain.hits import HIDDEN_URL
from gateway.domain.tokens import Keys, Kind, MessageTokens, Token
from gateway.errors import GatewayError
from gateway.mail import headers, links, mime, personalise, plaintext, quoted
from gateway.mail.mime import Layout
from gateway.mail.personalise import (
    HTML,
    PREFERENCES_URL,
    SPECIAL_TAGS,
    SUBJECT,
    TEXT,
    UNSUBSCRIBE_URL,
    VIEW_URL,
    Own,
    Sequenced,
    Template,
)
from gateway.mail.wire import FINAL_DOT, DataForm

HTML_FOOTER = ('<p style="font-size:12px;text-align:center"><a href="{{ unsubscribe_url }}">Unsubscribe</a></p>\n')
TEXT_FOOTER = "\n\nUnsubscribe: {{ unsubscribe_url }}\n"

MAX_LINKS = 1000
"""Different links of a mailing that are tracked: each costs every recipient a token."""

Signing = Callable[[Sequence[bytes], bytes], bytes]
"""Header fields, each whole with its CRLF, and the relaxed body -> the header fields that sign them, to go before
(SEND-43)."""

_NOT_IN_LIST_ID = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class MailingContent:
    """What the author wrote. ``text`` empty: made from the HTML. ``reply_to`` empty: no such header.

    ``files``: checked ones. ``html_fields``: fields whose values are markup, put into the HTML as they are.
    """

    subject: str
    from_name: str
    from_address: str
    reply_to: str
    html: str
    text: str
    track_opens: bool = True
    track_clicks: bool = True
    files: tuple[MailingFile, ...] = ()
    html_fields: frozenset[str] = frozenset()


class Recipient(NamedTuple):  # this and the next are made for every message, and cheaper than a frozen dataclass
    """Who gets one copy. ``values``: field name -> text; ``name`` stands beside the address in To."""

    brand_id: int
    instance_id: int
    delivery_id: int
    email: str
    values: Mapping[str, str] = MappingProxyType({})
    name: str = ""


class BuiltMessage(NamedTuple):
    """One message with its envelope, as it goes out."""

    envelope_from: str
    envelope_to: str
    form: DataForm

    @property
    def data(self) -> bytes:
        """What the recipient's mail server makes of it; its line ends are CRLF."""
        return self.form.wire[:-len(FINAL_DOT)]  # there are no stuffed dots


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """What one person would read, with LF line ends; ``size_bytes`` of the whole message."""

    subject: str
    html: str
    text: str
    size_bytes: int


class Body(NamedTuple):
    """What comes after the headers: both texts in their parts, to be filled, then what is the same for everybody."""

    texts: Sequenced
    after: bytes

    def filled(self, slots: list[str]) -> tuple[bytes, bytes]:
        """The body of one message, to be joined."""
        return self.texts.filled(slots).encode("ascii"), self.after


@dataclass(frozen=True, slots=True)
class CompiledMailing:
    """A mailing ready to be built for any number of recipients; made by :func:`compile_mailing`.

    ``links``: the frozen table, number -> URL (SEND-46); the same content always gives the same numbers.
    ``hidden_link``: the number of the link that no person sees (SEND-52), None without one. ``merge_tags``: the fields
    the mailing asks for. ``text_made``: the text part was made from the HTML. ``relative``: addresses in the HTML that
    lead nowhere from a mail. ``pages``: the special tags in it.
    """

    links: tuple[str, ...]
    hidden_link: int | None
    merge_tags: frozenset[str]
    text_made: bool
    relative: tuple[str, ...]
    keys: Keys = field(repr=False)
    public_url: str
    domain: str
    bounce_domain: str
    subject: Template = field(repr=False)
    html: Template = field(repr=False)
    text: Template = field(repr=False)
    pages: frozenset[str]
    head: tuple[bytes, ...] = field(repr=False)
    body: Body = field(repr=False)
    sign: Signing | None = field(repr=False)
    relaxed: Body | None = field(repr=False)

    def build(self, recipient: Recipient, date: dt.datetime) -> BuiltMessage:
        """The message for one recipient. The same arguments give the same bytes (SEND-23).

        Raises ``GatewayError`` INVALID_EMAIL for an address that cannot stand in a message; nothing else that
        comes with a recipient can make it fail. ``date`` is aware.
        """
        address = headers.wire_address(recipient.email)
        made = self._tokens(recipient)
        values, own = self._slots(recipient, made)
        head = (
            *self.head,
            headers.mailbox("To", recipient.name, address),
            headers.unstructured("Subject", self.subject.render(values)),
            _date_line(int(date.timestamp())),
            f"Message-ID: <m-{made.message_id}@{self.domain}>\r\n".encode(),
            f"List-Unsubscribe: <{values[UNSUBSCRIBE_URL]}>,\r\n"
            f" <mailto:u-{made.unsubscribe_address}@{self.bounce_domain}?subject=unsubscribe>\r\n".encode())
        slots = self.html.slots(values, self.text.slots(values, own))
        signatures = b""
        if self.sign:
            squeezed = [*own, *map(quoted.squeezed, slots[len(own):])]
            signatures = self.sign(head, b"".join(self.relaxed.filled(squeezed)))
        # No line begins with a dot: headers begin with their name or go on behind a blank, ``quoted`` writes dots
        # there as =2E, base64 has none. And nothing of these lets a bare CR or LF pass.
        wire = b"".join((signatures, *head, b"\r\n", *self.body.filled(slots), FINAL_DOT))
        return BuiltMessage(f"b-{made.return_path}@{self.bounce_domain}", address,
                            DataForm(wire, len(wire) - len(FINAL_DOT)))

    def render(self, recipient: Recipient, date: dt.datetime) -> RenderedMessage:
        """The parts of exactly the message that :meth:`build` makes, for a preview or the view in a browser."""
        values, own = self._slots(recipient, self._tokens(recipient))
        slots = self.html.slots(values, self.text.slots(values, own))
        return RenderedMessage(headers.one_line(self.subject.render(values)),
                               quoted.plain(self.html.body.filled(slots)), quoted.plain(self.text.body.filled(slots)),
                               self.build(recipient, date).form.size_bytes)

    def message_id(self, recipient: Recipient) -> str:
        """The Message-ID without brackets: a function of instance, delivery and domain alone (SEND-23).

        A copy that has no delivery (``delivery_id`` 0) needs an ``instance_id`` of its own to differ from others.
        """
        return f"m-{self._tokens(recipient).message_id}@{self.domain}"

    def _tokens(self, recipient: Recipient) -> MessageTokens:
        return tokens.mint_message(self.keys, recipient.brand_id, recipient.delivery_id, recipient.instance_id,
                                   len(self.links))

    def _slots(self, recipient: Recipient, made: MessageTokens) -> tuple[dict[str, str | None], list[str]]:
        """The person's values with the special tags, and our own slots; what a person is called cannot replace ours."""
        values = {**recipient.values, UNSUBSCRIBE_URL: f"{self.public_url}{_path(Kind.UNSUBSCRIBE)}{made.unsubscribe}"}
        own = [made.opened, made.unsubscribe]
        for name, kind in _PAGES:
            token = ""
            if name in self.pages:
                token = tokens.mint(self.keys, Token(kind, recipient.brand_id, recipient.delivery_id))
                values[name] = f"{self.public_url}{_path(kind)}{token}"
            own.append(token)
        return values, own + made.clicks


def compile_mailing(content: MailingContent, *, public_url: str, list_id: str, keys: Keys, feedback_id: str = "",
                    bounce_domain: str = "", frozen_links: Sequence[str] | None = None,
                    sign: Signing | None = None) -> CompiledMailing:
    """Parses and checks a mailing once. Raises ``GatewayError`` INVALID_VALUE, INVALID_CHARACTER or INVALID_EMAIL
    with the field (``subject``, ``html``, ``text``, ``fromAddress``, ``replyTo``) and the line of the fault.

    ``list_id``: a name for List-Id such as ``news.example.org``. A part that does not show ``{{ unsubscribe_url }}`` to
    everybody gets a line with the link at its end. ``keys`` sign the tokens: pin them to the key of the instance
    (SEND-23). ``frozen_links``: the instance's table, which decides the numbers; a link that is not in it is not
    tracked (SEND-46). ``bounce_domain``: of return path and mailto (SEND-44), else the host of the public URL.
    """
    for name, value in (("subject", content.subject), ("html", content.html)):
        if not value.strip():
            raise GatewayError("INVALID_VALUE", f"{name} is empty; a mailing needs one.", field=name)
    domain = mail_domain(public_url)
    subject = personalise.compile_template(content.subject, SUBJECT, "subject", content.html_fields)
    html = _line_ends(content.html)
    asked = personalise.merge_tags(html, "html") | (subject.names - SPECIAL_TAGS)
    text_made = not content.text.strip()
    text = _made_text(html) if text_made else _line_ends(content.text)
    asked |= set() if text_made else personalise.merge_tags(text, "text")
    shown = {each.content_id: f"cid:{mime.content_id(each.content_id, domain)}"
             for each in content.files if each.content_id}
    relative = links.relative(html)

    urls = {url: number for number, url in enumerate(frozen_links or ())} if content.track_clicks else None
    frozen = frozen_links is not None
    html = links.cut_html(_with_way_out(files.with_references(html, shown)), urls, _click_link, frozen=frozen)
    text = _tracked_text(text, urls, frozen)
    if len(urls or ()) > MAX_LINKS and not frozen:
        raise GatewayError("INVALID_VALUE", f"The mailing has {len(urls)} different links; at most {MAX_LINKS} are "
                                            "tracked. Leave some out, or track no clicks.", field="html")
    if urls and not frozen:
        urls.setdefault(HIDDEN_URL, len(urls))
    hidden = urls.get(HIDDEN_URL) if urls else None
    html = _with_hidden_parts(html, hidden, content.track_opens)
    own = _own_slots(public_url, len(urls or ()))
    key = hashlib.sha256(html.encode("utf-8", "replace")).hexdigest()[:24]
    layout = mime.layout(key, content.files, domain)
    text_part = personalise.compile_pieces(text, TEXT, "text", own, content.html_fields)
    html_part = personalise.compile_pieces(html, HTML, "html", own, content.html_fields, len(text_part.makers))
    return CompiledMailing(
        links=tuple(urls or ()), hidden_link=hidden, merge_tags=frozenset(asked), text_made=text_made,
        relative=tuple(relative), keys=keys, public_url=public_url, domain=domain,
        bounce_domain=bounce_domain or domain, subject=subject,
        html=html_part, text=text_part, pages=SPECIAL_TAGS & (html_part.names | text_part.names),
        head=_fixed_head(content, list_id, domain, feedback_id, layout), body=_body(layout, text_part, html_part),
        sign=sign, relaxed=_body(layout.squeezed(), text_part.squeezed(), html_part.squeezed()) if sign else None)


def mail_domain(public_url: str) -> str:
    """The domain of our Message-IDs, and of return paths unless a setting names another: the host of the public URL.

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
_PAGES = ((VIEW_URL, Kind.VIEW), (PREFERENCES_URL, Kind.PREFERENCES))
"""Pages that a mailing may lead to: a token is made only where it does."""


@functools.cache
def _path(kind: Kind) -> str:
    return tokens.path(Token(kind, 0, 0), "")


def _click_link(number: int) -> str:
    return f"{{{{ _click{number} }}}}"


def _own_slots(public_url: str, number_of_links: int) -> dict[str, Own]:
    """What stands in templates in the places that we fill, in the order of what ``_slots`` makes."""
    slots = [(_OPEN_SLOT, Kind.INSTANCE_OPEN), (UNSUBSCRIBE_URL, Kind.UNSUBSCRIBE), *_PAGES]
    slots += [(f"_click{number}", Kind.INSTANCE_CLICK) for number in range(number_of_links)]
    return {name: Own(public_url + _path(kind), number) for number, (name, kind) in enumerate(slots)}


def _line_ends(template: str) -> str:
    template = template.removeprefix("\ufeff")
    return template.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"


def _made_text(html: str) -> str:
    """The text part made from the HTML; without conditions where those do not pair up outside the markup."""
    text = plaintext.from_html(html)
    try:
        personalise.compile_pieces(text, TEXT, "text")
    except GatewayError:
        text = plaintext.without_conditions(text)
    return text


def _with_way_out(html: str) -> str:
    """The HTML with an unsubscribe link that everybody sees, at its end if it has none: not within a condition, nor
    within a comment that is never closed."""
    def shows_it(each: str) -> bool:
        return UNSUBSCRIBE_URL in each and personalise.always_named(
            links.without_comments(each), UNSUBSCRIBE_URL, "html")

    if shows_it(html):
        return html
    places = (links.before_end_of_body(html, HTML_FOOTER), html + HTML_FOOTER)
    return next(filter(shows_it, places), HTML_FOOTER + html)


def _with_hidden_parts(html: str, hidden: int | None, track_opens: bool) -> str:
    """The HTML with the link that only machines follow (SEND-52) and the picture that tells of an open."""
    added = ""
    if hidden is not None:
        added = (f'<a href="{_click_link(hidden)}" style="display:none" aria-hidden="true" tabindex="-1" '
                 'rel="nofollow"></a>\n')
    if track_opens:
        added += f'<img src="{{{{ {_OPEN_SLOT} }}}}" width="1" height="1" alt="" style="border:0">\n'
    return links.before_end_of_body(html, added).rstrip("\n") + "\n"


def _tracked_text(text: str, urls: dict[str, int] | None, frozen: bool) -> str:
    if not personalise.always_named(text, UNSUBSCRIBE_URL, "text"):
        text = text.rstrip("\n") + TEXT_FOOTER
    return links.cut_text(text, urls, _click_link, frozen=frozen)


def _fixed_head(content: MailingContent, list_id: str, domain: str, feedback_id: str,
                layout: Layout) -> tuple[bytes, ...]:
    """The headers that are the same for everybody (SEND-42, RFC 2919, 8058)."""
    headers.wire_address(content.from_address, "fromAddress")
    head = [headers.mailbox("From", content.from_name, content.from_address)]
    if content.reply_to:
        headers.wire_address(content.reply_to, "replyTo")
        head.append(headers.mailbox("Reply-To", "", content.reply_to))
    name = _NOT_IN_LIST_ID.sub("-", list_id).strip("-.") or domain
    head += [f"List-Id: <{name}>\r\n".encode(), b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"]
    if feedback_id:
        head.append(headers.unstructured("Feedback-ID", feedback_id))
    return (*head, b"Precedence: bulk\r\n", b"MIME-Version: 1.0\r\n", layout.content_type)


def _body(layout: Layout, text: Template, html: Template) -> Body:
    nothing = Sequenced([""], ())
    return Body(nothing.joined(layout.before_text, text.body).joined(layout.before_html, html.body), layout.after)


@functools.lru_cache(maxsize=16)
def _date_line(timestamp: int) -> bytes:
    return f"Date: {format_datetime(dt.datetime.fromtimestamp(timestamp, dt.UTC))}\r\n".encode()
