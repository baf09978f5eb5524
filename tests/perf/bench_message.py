"""How long does one message take to build, beside the least that any builder must do and beside the usual way?

A program: ``python -m tests.perf.bench_message``. The mailing has 16.5 kB of HTML and 2.4 kB of text with 19 and 6
links, as in the measurements that the targets come from. All lines are measured in turns in the same run; each figure
is the best of many short rounds, for the machine may be busy. Prints; asserts only that messages are whole.
"""

from __future__ import annotations

import argparse
import binascii
import datetime as dt
import email
import email.policy
import html
import re
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid

from gateway.domain.tokens import Keys, mint_message
from gateway.mail.message import MailingContent, Recipient, compile_mailing

URL, DATE = "https://news.example.org", dt.datetime(2026, 3, 1, 12, 30, 5, tzinfo=dt.UTC)
KEYS = Keys.from_secret(b"k" * 32)
HTML_LINKS, TEXT_LINKS, HTML_BYTES, TEXT_BYTES = 19, 6, 16_500, 2_400
FILLER = "The annual meeting of the association takes place in Köln; members register early, at a lower fee. "


def mailing(*, conditions: bool = False) -> MailingContent:
    """The mailing that is measured; ``conditions``: with some ``{% if %}``, as careful authors write them."""
    greeting = "<p>Dear {{ FirstName|default('member') }} {{ LastName }},</p>\n"
    if conditions:
        greeting += "".join("{% if City == '" + city + "' %}<p>See you in " + city + "</p>\n{% else %}<p>Come</p>\n"
                            "{% endif %}" for city in ("Bonn", "Ulm", "Bern"))
    each = (HTML_BYTES - 400) // HTML_LINKS
    blocks = "".join(
        _filled(f'<p style="margin:0 0 12px"><a href="https://www.example.org/{n}?a=1&amp;b={n}">Item {n}</a> for '
                "{{ City }}: ", each, "</p>\n") for n in range(HTML_LINKS))
    foot = '<p>{{ OrganizationName }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>\n'
    text = "Dear {{ FirstName|default('member') }} {{ LastName }},\n\n" + "".join(
        _filled(f"* {n}: https://www.example.org/{n}?a=1&b={n}\n", (TEXT_BYTES - 100) // TEXT_LINKS, "\n")
        for n in range(TEXT_LINKS)) + "{{ unsubscribe_url }}\n"
    return MailingContent("News for {{ FirstName }}: the März issue", "Example Association", "news@example.org",
                          "office@example.org", "<html><body>\n" + greeting + blocks + foot, text)


def _filled(start: str, size_bytes: int, end: str) -> str:
    room = size_bytes - len(start.encode()) - len(end)
    return start + (FILLER * (room // len(FILLER) + 1)).encode()[:room].decode("utf-8", "ignore") + end


def people(number: int) -> list[Recipient]:
    """So many recipients, no two alike."""
    return [Recipient(17, 4711, 1_000_000 + n, f"person{n}@members.example.org", {
        "FirstName": ("Ada", "Zoë", "Bertrand")[n % 3], "LastName": f"O'Neill-{n}", "City": ("Köln", "Bonn")[n % 2],
        "OrganizationName": "Müller & Sons"}, f"Ada O'Neill-{n}") for n in range(number)]


def naive(content: MailingContent) -> Callable[[Recipient], bytes]:
    """What a program does that fills in the template and hands the rest to EmailMessage."""
    def build(who: Recipient) -> bytes:
        def filled(source: str, escape: Callable[[str], str]) -> str:
            return re.sub(r"\{\{ (\w+)[^}]*\}\}", lambda found: escape(who.values.get(found[1], "")), source)

        message = EmailMessage(policy=email.policy.SMTP)
        message["From"] = f"{content.from_name} <{content.from_address}>"
        message["To"], message["Subject"] = who.email, filled(content.subject, str)
        message["Date"], message["Message-ID"] = format_datetime(DATE), make_msgid(domain="news.example.org")
        message.set_content(filled(content.text, str))
        message.add_alternative(filled(content.html, html.escape), subtype="html")
        return message.as_bytes()

    return build


def floors(data: bytes) -> dict[str, Callable[[], object]]:
    """Steps that nobody can leave out, or that others take: join the pieces, encode the whole body."""
    text = data.decode("ascii")
    pieces = [text[at:at + 400] for at in range(0, len(text), 400)]
    body = binascii.a2b_qp(data)
    return {"join the pieces, encode once": lambda: "".join(pieces).encode("ascii"),
            "b2a_qp of the whole body": lambda: binascii.b2a_qp(body, istext=True),
            "all tokens of a message": lambda: mint_message(KEYS, 17, 1_000_001, 4711, HTML_LINKS)}


def best_us(run: Callable[[], object], rounds: int, calls: int) -> float:
    """Microseconds of CPU a call in the best of so many rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(calls):
            run()
        best = min(best, time.process_time() - start)
    return best / calls * 1e6


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    everybody, at = people(997), [0]

    def next_one() -> Recipient:
        at[0] = (at[0] + 1) % len(everybody)
        return everybody[at[0]]

    lines: dict[str, tuple[Callable[[], object], int]] = {}
    for name, content in (("compiled: merge tags", mailing()), ("compiled: with conditions", mailing(conditions=True))):
        compiled = compile_mailing(content, public_url=URL, list_id="17.news.example.org", keys=KEYS)
        assert len(compiled.links) == HTML_LINKS + 1  # and the hidden one
        lines[name] = (lambda compiled=compiled: compiled.build(next_one(), DATE), 100)
        data = compiled.build(next_one(), DATE).data
        assert not email.message_from_bytes(data, policy=email.policy.default).defects
    usual = naive(mailing())
    lines["EmailMessage for each"] = (lambda: usual(next_one()), 5)
    lines |= {name: (run, 100) for name, run in floors(data).items()}
    found = {name: float("inf") for name in lines}
    for _ in range(options.rounds):  # in turns, so that a busy moment meets all of them
        for name, (run, calls) in lines.items():
            found[name] = min(found[name], best_us(run, 1, calls))
    ours = found["compiled: merge tags"]
    print(f"a message of {len(data)} bytes, {HTML_LINKS} + {TEXT_LINKS} links; best of {options.rounds} rounds")
    for name, us in found.items():
        print(f"{name:32} {us:9.1f} us  {us / ours:7.2f} x ours")


if __name__ == "__main__":
    main()
