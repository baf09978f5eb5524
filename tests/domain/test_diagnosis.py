"""What is shown of an envelope that failed? Never a credential, in whatever form it came."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.diagnosis import WITHHELD, Seen, line_of, scrub

SECRET = "s3cret&<\"'ö"


def wrapped(form):
    """A password in an envelope, in one of the forms in which they come."""
    raw, once = SECRET.replace("<", "").replace("&", ""), html.escape(SECRET)
    return {
        "element": f"<password>{once}</password>",
        "prefixed": f'<wsse:Password Type="x#PasswordText">{once}</wsse:Password>',
        "cdata": f"<Password><![CDATA[{SECRET}]]></Password>",
        "inner document": html.escape(f"<Password>{once}</Password>"),
        "inner document by numbers": f"&#60;Password&#62;{once}&#60;/Password&#62;",
        "inner document by hexadecimal numbers": f"&#x3C;Password&#x3E;{once}&#x3c;/Password>",
        "twice escaped": html.escape(html.escape(f"<Password>{once}</Password>")),
        "in CDATA": f"<x><![CDATA[<Password>{once}</Password>]]></x>",
        "white space": f"< Password >\n {once} \n</Password>",
        "attribute": f'<User password="{raw}"/>',
        "attribute in single quotes": f"<User Password='{html.escape(SECRET)}'/>",
        "escaped attribute": html.escape(f'<User password="{raw}"/>'),
        "never closed": f"<password>{once}",
        "cut off": f'<wsse:Password Type="{once}',
        "nonce": f"<wsse:Nonce>{once}</wsse:Nonce>",
        "token": f"<wsse:BinarySecurityToken>{once}</wsse:BinarySecurityToken>",
        "upper case": f"<PASSWORD>{once}</PASSWORD>",
        "repeated elsewhere": f"<Password>{once}</Password><note>my password is {once}</note>",
    }[form]


FORMS = ("element", "prefixed", "cdata", "inner document", "inner document by numbers", "attribute", "never closed",
         "inner document by hexadecimal numbers", "twice escaped", "in CDATA", "white space", "cut off", "nonce",
         "attribute in single quotes", "escaped attribute", "token", "upper case", "repeated elsewhere")


@pytest.mark.parametrize("form", FORMS)
def test_credentials_are_replaced(form):
    text = f"<Envelope><userName>apiuser</userName>{wrapped(form)}<email>ann@example.org</email></Envelope>"
    shown = scrub(text)
    assert "s3cret" not in shown and "***" in shown
    assert "<userName>apiuser</userName>" in shown


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_around_a_password(before, after):
    """Nothing makes it raise, and nothing around a password makes it shown."""
    secret = "correct horse battery staple"
    assert secret not in scrub(f"{before}<Password>{secret}</Password>{after}")


ODD = {
    "numbers with leading zeros": "&#060;Password&#062;s3cret&#060;/Password&#062;",
    "a letter of the name escaped": "&lt;P&#97;ssword&gt;s3cret&lt;/P&#97;ssword&gt;",
    "two pieces of CDATA": "<x><![CDATA[<Pass]]><![CDATA[word>s3cret</Password>]]></x>",
    "a comment in the tag": "&lt;<!-- -->Password&gt;s3cret&lt;/Password&gt;",
    "a comment in the value": "<Password>s3<!-- a -->cret</Password>",
    "an element in the value": "<Password><b>x</b>s3cret</Password>",
    "an end tag in the value": html.escape("<Password>a&lt;/b s3cret</Password>"),
    "a whole end tag in the value": html.escape("<Password>a&lt;/b&gt;s3cret</Password>"),
    "a bracket in an attribute": '<Password a="&lt;">s3cret</Password>',
    "an attribute escaped twice": html.escape(html.escape('<User password="s3cret"/>')),
    "an attribute in escaped apostrophes": "&lt;User password=&apos;s3cret&apos;/&gt;",
    "very many layers": "&" + "amp;" * 50 + "lt;P&" + "amp;" * 50 + "#97;ssword>s3cret",
}


@pytest.mark.parametrize("form", ODD)
def test_an_envelope_whose_credentials_cannot_be_masked_is_withheld(form):
    shown = scrub(f"<Envelope>{ODD[form]}<email>ann@example.org</email></Envelope>")
    assert "cret" not in shown
    assert shown == WITHHELD or "ann@example.org" in shown


@pytest.mark.parametrize("text", ["<Password></Password><b>c</b>",
                                  "<a>&amp;amp;lt;b&amp;amp;gt; &#233; <!-- token --></a>"])
def test_nothing_is_withheld_without_need(text):
    assert scrub(text) == text


def test_the_rest_stays():
    text = "<Envelope>\n<brandId>1</brandId><subscriber><email>ann@example.org</email></subscriber></Envelope>"
    assert scrub(text) == text


def test_a_hostile_envelope_costs_little():
    """Many openings that never close: each is looked at once."""
    assert "x1" not in scrub("<Password " * 6_000 + "x1")
    assert "x1" not in scrub("<Password>" * 6_000 + "x1")
    for part in ("&lt;", "a-", "&amp;", "<Password a='", "password=", "&quot;", "<a:"):
        assert scrub(part * (64 * 1024 // len(part)))


SEEN = (Seen(1, "Envelope"), Seen(4, "Envelope/Body/ImportSubscribers/subscriber[1]/email", "a"),
        Seen(9, "Envelope/Body/ImportSubscribers/subscriber[2]/email", "b"), Seen(12, "Envelope/Body/Find/pageSize"))


@pytest.mark.parametrize(("name", "line"), [("subscriber[1].email", 9), ("subscriber[0].email", 4), ("email", 4),
                                            ("pageSize", 12), ("pagesize", 12), ("subscriber[7].email", None),
                                            ("nothing", None), (None, None)])
def test_the_line_of_a_member(name, line):
    assert line_of(SEEN, name) == line
