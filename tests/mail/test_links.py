"""Links: cut out once, numbered, all other markup left byte for byte (SEND-39, SEND-40, SEND-46)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mail import links, plaintext, quoted
from gateway.mail.personalise import HTML, TEXT, compile_pieces, compile_template


def cut(source, how=links.cut_html):
    urls = {}
    return how(source, urls, lambda number: f"[{number}]"), list(urls)


def rendered(source, kind, **values):
    """What a reader gets of a template that links were cut out of."""
    return quoted.plain(compile_pieces(source, kind, kind).render(values) + "\r\n").removesuffix("\n")


@pytest.mark.parametrize(("source", "expected", "urls"), [
    ('<a href="https://x.org/">x</a>', '<a href="[0]">x</a>', ["https://x.org/"]),
    ("<A class=b HREF = 'http://x.org/?a=1&amp;b=2' >x", "<A class=b HREF = '[0]' >x", ["http://x.org/?a=1&b=2"]),
    ("<a\nhref=https://x.org/a>x</a>", "<a\nhref=[0]>x</a>", ["https://x.org/a"]),
    ('<a href="https://x.org"><a href="https://y.org"><a href="https://x.org">',
     '<a href="[0]"><a href="[1]"><a href="[0]">', ["https://x.org", "https://y.org"]),
    ('<a title="a > b" href=" https://x.org ">', '<a title="a > b" href="[0]">', ["https://x.org"]),
    ('<area href="https://x.org">', '<area href="[0]">', ["https://x.org"]),
    ('<a href="https://x.org" href="https://y.org">', '<a href="[0]" href="https://y.org">', ["https://x.org"]),
])
def test_links_are_cut_out_and_numbered(source, expected, urls):
    """SEND-39: the same URL has the same number."""
    assert cut(source) == (expected, urls)


@pytest.mark.parametrize("source", [
    '<a href="mailto:a@x.org">',
    '<a href="tel:+49">', '<a href="#top">', '<a name="https://x.org">',
    "<a href>", '<a href="">', '<a href="/relative">', '<a href="javascript:alert(1)">', '<link href="https://x.org/s.css">',
    '<img src="https://x.org/i.png">',
    '<!-- <a href="https://x.org"> -->', '<script>"<a href=\'https://x.org\'>"</script>', '<abbr href="https://x.org">',
    "https://x.org as text", '<a href="https://', '<a data-href="https://x.org">', "a < b <3 <!doctype html><",
    "<a <a <a",
    '<a href="{{ unsubscribe_url|e }}" ', '<style><a href="https://x.org">', '<!-- <a href="https://x.org">',
])
def test_all_else_stays_byte_for_byte(source):
    """SEND-46: mailto is not tracked (vendor); nothing is tidied up."""
    assert cut(source) == (source, [])


@pytest.mark.parametrize(("source", "expected"), [
    ("<p title={{ A }}>", '<p title="{{ A }}">'),
    ("<p a=1 a=x{{ A|default('y z') }}/>", "<p a=1 a=\"x{{ A|default('y z') }}/\">"),
    ("<td width={% if A %}{{ B }}{% endif %} x>", '<td width="{% if A %}{{ B }}{% endif %}" x>'),
    ("<p title='{{ A }}' class=a>", "<p title='{{ A }}' class=a>")])
def test_no_value_ends_the_attribute_that_it_stands_in(source, expected):
    """SEND-40: without quotes a blank in somebody's name would begin an attribute of his own."""
    assert cut(source)[0] == expected


def test_a_link_with_a_merge_tag_is_not_tracked_but_encoded():
    """SEND-40."""
    source = ('<a href="https://x.org/?q={{ Name|default("a b") }}&amp;c={{ City }}">x</a>'
              '<img src="https://x.org/{{ City }}.png"><a href="{{ Site }}">s</a><a href="{{ unsubscribe_url }}">u</a>')
    out, urls = cut(source)
    assert urls == []
    got = rendered(out, HTML, City="K\u00f6ln/\"&<", Site="javascript:alert(1)",
                   unsubscribe_url="https://news.example.org/u/a-b_c")
    city = "K%C3%B6ln%2F%22%26%3C"
    assert got == (f'<a href="https://x.org/?q=a%20b&amp;c={city}">x</a><img src="https://x.org/{city}.png">'
                   '<a href="">s</a><a href="https://news.example.org/u/a-b_c">u</a>')
    assert 'href="https://y.org/a%20%22b?c=1"' in rendered(out, HTML, Site='https://y.org/a "b?c=1')


@pytest.mark.parametrize(("source", "expected", "urls"), [
    ("See https://x.org/a?b=1&c=2.", "See [0].", ["https://x.org/a?b=1&c=2"]),
    ("(http://x.org/a_(b)), <https://y.org>", "([0]), <[1]>", ["http://x.org/a_(b)", "https://y.org"]),
    ("https://x.org https://x.org", "[0] [0]", ["https://x.org"]),
    ("{% if A %}https://x.org{% endif %}", "{% if A %}[0]{% endif %}", ["https://x.org"]),
    ("mailto:a@x.org http:// ftp://x.org {{ unsubscribe_url }}", None, []),
])
def test_links_of_the_text_part(source, expected, urls):
    """SEND-39."""
    assert cut(source, links.cut_text) == (expected or source, urls)


def test_values_in_links_of_the_text_part_are_encoded():
    """SEND-40."""
    out, urls = cut("https://x.org/?e={{ Email }}. Bye", links.cut_text)
    assert urls == [] and rendered(out, TEXT, Email="a+b@x") == "https://x.org/?e=a%2Bb%40x. Bye"


def test_tags_of_the_template_language_are_seen_whole():
    """A quote or a bracket inside a tag is no markup."""
    source = ('{{ A|default("}}\\"<a href=\'https://no.org\'>") }}{% if A == "%}" %}<a href="https://x.org">{% endif %}'
              '{# {{ #}')
    out, urls = cut(source)
    assert urls == ["https://x.org"] and out == source.replace("https://x.org", "[0]")
    assert len(links.mask(source)) == len(source)


@given(st.text("<a hrefHTTPS:/x.org'\"=->!{}%#\\ \n&script", max_size=120))
def test_hostile_markup_changes_nothing_but_links(source):
    """Cutting never fails, and putting the URLs back gives the source."""
    urls = {}
    marked = links.cut_html(source, urls, lambda n: f"\x05{n}\x06")
    if "_url_part" not in marked and "_whole_url" not in marked and "&" not in source:
        for url, number in urls.items():
            marked = marked.replace(f"\x05{number}\x06", url)
        assert marked.split() == source.split() or "".join(marked.split()) == "".join(source.split())


@pytest.mark.parametrize("unit", [
    "<a ", "<!--", "<script>", '<a href="', "<a href='x' ", "https://", "<", "{ ", "<a x=y ", "https://x(", "https://x)",
    "<![", "<?", "</", "&#", "<td> </td>", "<a href=https://x>https://x</a>", "<br> ", "<div> <b>"])
def test_hostile_markup_takes_no_long_time(unit):
    """Linear in the length, so that nobody stops the server with a mailing."""
    source = unit * (400_000 // len(unit))
    started = time.thread_time()
    cut(source)
    cut(source, links.cut_text)
    plaintext.from_html(source)
    assert time.thread_time() - started < 5


def test_the_end_of_the_body():
    """Our pixel and footer stand inside the body where there is one."""
    assert links.before_end_of_body("<p>x</p></BODY ></html>", "+") == "<p>x</p>+</BODY ></html>"
    assert links.before_end_of_body("<p>{{ '</body>' }}</p>", "+") == "<p>{{ '</body>' }}</p>+"


@pytest.mark.parametrize(("source", "expected"), [
    ("<p>Hello <b>{{ X }}</b>,</p><p>two\n  lines &amp; more</p>", "Hello {{ X }},\n\ntwo lines & more\n"),
    ('<a href="https://x.org/?a=1&amp;b=2">Read</a>', "Read (https://x.org/?a=1&b=2)\n"),
    ('<a href="https://x.org">https://x.org</a> <a href="mailto:a@x.org?subject=x">write</a> <a href="#t">top</a>',
     "https://x.org write (a@x.org) top\n"),
    ('<a href="https://x.org"><img src="i.png" alt="Logo"></a><img src="x">', "Logo (https://x.org)\n"),
    ('<a href="{{ unsubscribe_url }}">Leave</a>', "Leave ({{ unsubscribe_url }})\n"),
    ("<ul><li>one<li>two</ul>x<br>y<hr>", "* one\n* two\n\nx\ny\n\n----\n"),
    ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"),
    ("<head><title>t</title><style>p{}</style></head><script>x</script><h1>H</h1>", "H\n"),
    ("{% if A %}<p>a</p>{% else %}<p>b</p>{% endif %}", "{% if A %}a\n\n{% else %}b\n\n{% endif %}\n"),
    ("&#123;{ X }} &#123;&#37; {<b>{{ X }}</b>", "{ { X }} { % { {{ X }}\n"),
    ('<div style="DISPLAY : none !important">pre<div>header</div> &zwnj;&nbsp;</div><p>A</p>', "A\n"),
    ('<p style="display:none">never closed<p>b</p><img style="visibility:hidden" alt="x">', "never closed\n\nb\n"),
    ("a &zwnj;&nbsp;&#847;&zwnj;&nbsp;b, 10&nbsp;%, \u0645\u06cc\u200c\u062e\u0648, &#128105;&zwj;&#128103;",
     "a b, 10\xa0%, \u0645\u06cc\u200c\u062e\u0648, \U0001f469\u200d\U0001f467\n"),
    ("<ol><li>a<li>b<ul><li>x</ul><li>c</ol><ol start='7'><li>d</ol>", "1. a\n2. b\n\n* x\n\n3. c\n\n7. d\n"),
    ("<ol>{% if A %}<li>a{% endif %}<li>b</ol></ol>", "{% if A %}* a{% endif %}\n* b\n"),
    ("<pre>one  two\nthree</pre> four\nfive", "one two\nthree\nfour five\n"),
    ('<a href="{% if A %}https://x.org{% else %}https://y.org{% endif %}">c</a>.',
     "c ({% if A %}https://x.org{% else %}https://y.org{% endif %}).\n"),
    ('<a href="{{ X }}">{{ X }}</a>', "{{ X }}\n"),
])
def test_html_as_text(source, expected):
    """SEND-41: a text part made from the HTML, with its links shown."""
    assert plaintext.from_html(source) == expected
    compile_template(expected, TEXT)


@pytest.mark.parametrize(("source", "expected"), [
    ('<a href="https://x.org/1">https://x.org/1</a><a href="https://x.org/2">two</a>tail',
     "https://x.org/1 two (https://x.org/2) tail\n"),
    ('see<a href="https://x.org/1">https://x.org/1</a>and', "see https://x.org/1 and\n"),
    ('<a href="https://x.org/1"><img src="a"></a><a href="https://x.org/2"><img src="b"></a>',
     "https://x.org/1 https://x.org/2\n"),
    ('https://x.org/1<a href="https://x.org/2">two</a>', "https://x.org/1 two (https://x.org/2)\n"),
    ('(<a href="https://x.org/1">https://x.org/1</a>), <a href="https://x.org/2">two</a>.',
     "(https://x.org/1), two (https://x.org/2).\n"),
    ('<a href="https://x.org/1">one<p>x</p><a href="https://x.org/2">two', "one\n\nx\n\n(https://x.org/1) two (https://x.org/2)\n"),
])
def test_an_address_never_runs_into_its_neighbour(source, expected):
    """SEND-41, SEND-46: what stands beside a link in the HTML cannot become part of its address in the text."""
    assert plaintext.from_html(source) == expected
    assert set(cut(expected, links.cut_text)[1]) >= set(cut(source)[1])


@pytest.mark.parametrize(("attribute", "url"), [
    ("https://x.org/?a=1&amp;b=2&copy=3&lang=de#f", "https://x.org/?a=1&b=2&copy=3&lang=de#f"),
    ("https://x.org/?q=&#228;&#xe4;&auml;", "https://x.org/?q=\u00e4\u00e4\u00e4"),
    ("https://x.org/a b\n c", "https://x.org/a%20b%20c"),
    ("https://x.org/&notit;&copyx", "https://x.org/&notit;&copyx"),
])
def test_an_address_is_what_a_browser_makes_of_it(attribute, url):
    """SEND-46: a click goes where the link said; the text part says the same."""
    assert cut(f'<a href="{attribute}">x</a>')[1] == [url]
    assert plaintext.from_html(f'<a href="{attribute}">x</a>') == f"x ({url})\n"


@pytest.mark.parametrize(("source", "urls", "text"), [
    ('<!--[if mso]><a href="https://x.org/m">m</a><![endif]--><a href="https://x.org/1">x</a>',
     ["https://x.org/1"], "x (https://x.org/1)\n"),
    ('<!--[if !mso]><!--><a href="https://x.org/1">x</a><!--<![endif]-->', ["https://x.org/1"], "x (https://x.org/1)\n"),
    ('<!--><a href="https://x.org/1">x</a>', ["https://x.org/1"], "x (https://x.org/1)\n"),
    ('<!-- a --!><a href="https://x.org/1">x</a>', ["https://x.org/1"], "x (https://x.org/1)\n"),
    ('<a href="https://x.org/1" href="https://x.org/2">x</a>', ["https://x.org/1"], "x (https://x.org/1)\n"),
    ("<head><style>p{}</style><body>x", [], "x\n"),
    ("a<!-- {% if A %} -->b<!-- {% endif %} -->", [], "a{% if A %}b{% endif %}\n"),
])
def test_both_parts_read_markup_as_a_browser_does(source, urls, text):
    """SEND-39, SEND-41: comments, conditional ones too, attributes that come twice, a head without its end."""
    assert cut(source)[1] == urls
    assert plaintext.from_html(source) == text


def test_the_end_of_the_body_is_no_comment():
    """SEND-42: the unsubscribe link must be seen."""
    assert links.before_end_of_body("<body>x</body><!-- </body> -->", "+") == "<body>x+</body><!-- </body> -->"


@given(st.text("<>/apbr&;#12x {}%\"'=!-", max_size=100))
def test_html_to_text_never_fails(source):
    """SEND-41."""
    plaintext.from_html(source)


def test_a_frozen_table_decides_the_numbers():
    """SEND-46: whatever later code would number, a click goes where its link says; a link that is not there stays."""
    urls = {"https://x.org/b": 0, "https://x.org/a": 1}
    source = '<a href="https://x.org/a">a</a><a href="https://x.org/new">n</a><a href="https://x.org/b">b</a>'
    assert links.cut_html(source, urls, lambda number: f"[{number}]", frozen=True) == (
        '<a href="[1]">a</a><a href="https://x.org/new">n</a><a href="[0]">b</a>')
    assert links.cut_text("https://x.org/b https://x.org/new", urls, lambda number: f"[{number}]", frozen=True) == (
        "[0] https://x.org/new")
    assert len(urls) == 2


@pytest.mark.parametrize(("html", "expected"), [
    ('<a href="/a">x</a><A HREF=b.html>x</A><area href="?q=1"><img SRC=\'img/x.png\'>',
     ["/a", "b.html", "?q=1", "img/x.png"]),
    ('<a href="//cdn.example.org/x">x</a>', ["//cdn.example.org/x"]),
    ('<a href="https://x.org/">a</a><a href="#top">b</a><a href="mailto:a@x.org">c</a><a href="tel:1">d</a>'
     '<a name="x">e</a><a href="">f</a><a href="{{ Url }}">g</a><img src="cid:logo"><img src="data:image/png;base64,x">'
     '<img alt="x">', []),
    ('<!-- <a href="/a"> --><style>a{background:url(/x)}</style>', []),
    ('<a href="/a">x</a><a href="/a">y</a>', ["/a"]),
])
def test_links_that_lead_nowhere_from_a_mail(html, expected):
    """What works on the author's site only."""
    assert links.relative(html) == expected


@pytest.mark.parametrize(("html", "place"), [
    ("<BODY><p>x</p></BODY></HTML>", "</BODY></HTML>"), ("<p>x</p>", ""), ("<p>x</p><!-- open", "<!-- open"),
    ("<p>x</p><style>p{} <b>", "<style>p{} <b>"), ("<p>x</p><a href='y> </body>", "<a href='y> </body>"),
    ("<p>a < b</p>", ""), ("<!--[if mso]></body><![endif]--><p>x</p>", ""), ("<p>x</p><script>'</body>'</script>", ""),
    ("<p>x</p><![if !mso]></body><![endif]>", "</body><![endif]>")])
def test_where_all_that_can_be_seen_ends(html, place):
    """Conditional comments, uppercase, and what is never closed."""
    assert links.before_end_of_body(html, "@") == html.removesuffix(place) + "@" + place


@pytest.mark.parametrize("html", [
    '<a href="mailto:a@x.org?subject={{ S }}">x</a>', '<a href="tel:+491234">x</a>', '<a href="#top">x</a>', "<a>x</a>",
    '<a name="x">y</a>', "<a href>x</a>", '<a href="javascript:x">y</a>', '<link href="https://x.org/a.css">',
    '<!--[if mso]><a href="https://x.org">x</a><![endif]-->', '<img src="https://x.org/a.png">'])
def test_what_is_not_tracked(html):
    """SEND-46: mail, telephone and anchors are no clicks; what is loaded is none either."""
    made, urls = cut(html)
    assert urls == [] and "[0]" not in made


def test_a_merge_tag_within_a_link_keeps_it_in_its_place():
    """SEND-40: percent-encoded; no value can leave its place."""
    made, urls = cut('<a href="https://x.org/{{ A }}?b={{ B|default(\'"\') }}#{{ C }}">x</a>')
    assert urls == []
    shown = rendered(made + "\n", HTML, A="a/b c", B='"><script>', C="\u00e9")
    assert shown == '<a href="https://x.org/a%2Fb%20c?b=%22%3E%3Cscript%3E#%C3%A9">x</a>\n'
