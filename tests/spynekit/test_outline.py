"""What can be read of an envelope that was refused, also of a broken one?"""

from gateway.spynekit.outline import outline


def lines(text):
    return [(each.line, each.path, each.value) for each in outline(text)[0]]


def test_elements_and_attributes_with_their_lines():
    found, broken = outline("""<?xml version="1.0" encoding="utf-16"?>
<a x="1">
 <p:b xmlns:p="urn:p">one</p:b>
 <c/>
 <c>t</c></a>""")
    assert broken is None
    assert [(each.line, each.path, each.value) for each in found] == [
        (2, "a", ""), (2, "a/@x", "1"), (3, "a/b", "one"), (4, "a/c[1]", ""), (5, "a/c[2]", "t")]


def test_a_document_in_a_text_is_outlined_where_it_stands():
    assert lines("<a>\n<x>&lt;Grid type='t'&gt;\n&lt;Count/&gt;&lt;/Grid&gt;</x></a>") == [
        (1, "a", ""), (2, "a/x", "(a document, see below)"), (2, "a/x/Grid", ""), (2, "a/x/Grid/@type", "t"),
        (3, "a/x/Grid/Count", "")]


def test_a_broken_envelope_is_read_as_far_as_it_goes():
    found, broken = outline("<a>\n<b>one</b>\n<c>two</d></a>")
    assert [each.path for each in found][:3] == ["a", "a/b", "a/c"]
    assert broken is not None and broken[0] == 3


def test_a_prefix_that_is_not_declared_is_left_out():
    found, broken = outline('<a:b><c:d e:f="1">x</c:d></a:b>')
    assert [(each.path, each.value) for each in found] == [("b", ""), ("b/d", "x"), ("b/d/@f", "1")]
    assert broken is not None and broken[0] == 1


def test_no_xml_at_all():
    assert outline("{}") == ([], outline("{}")[1]) and outline("")[0] == []


def test_entities_stay_closed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    text = f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{secret}"><!ENTITY b "bbbb">]><a>&e;&b;</a>'
    assert "hidden" not in str(outline(text)) and "bbbb" not in str(outline(text))


def test_long_and_deep_ones_are_cut():
    assert len(outline("<a>" + "<b/>" * 5_000 + "</a>")[0]) == 300
    assert outline("<a>" * 5_000)[0]
    assert len(lines(f"<a>{'x' * 5_000}</a>")[0][2]) == 200
