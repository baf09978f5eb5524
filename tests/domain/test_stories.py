"""Stories and templates become HTML (aapi.md section 5.5)."""

import time

import pytest
from lxml import html

from gateway.domain.stories import Story, areas, page, placed, spelled
from gateway.errors import GatewayError

WHOLE = ('<!DOCTYPE html><html><head><style>p {color: red}</style><title>x</title></head>'
         '<body class="a"><p>Hello</p></body></html>')


def test_stories_follow_each_other_under_their_titles():
    """Without a template: one well-formed page, the titles as headings, escaped but for their merge tags."""
    made = page([Story("Fish & chips", "<p>One</p>"), Story("For {{ FirstName|default('a<b') }}", "<p>Two</p>")])
    assert [(each.tag, each.text) for each in html.fromstring(made).find("body")][:2] == [
        ("h2", "Fish & chips"), ("p", "One")]
    assert "<h2>Fish &amp; chips</h2>\n<p>One</p>\n<h2>For {{ FirstName|default('a<b') }}</h2>\n<p>Two</p>" in made
    assert made.startswith("<!DOCTYPE html>") and made.count("<body") == made.count("</body>") == 1


def test_a_single_document_stays_what_it_is():
    """Whoever sends a whole page as the only story means that page."""
    assert page([Story("Title", WHOLE)]) == WHOLE


def test_documents_among_stories_give_their_styles_and_bodies():
    """No page within a page."""
    made = page([Story("A", WHOLE), Story("B", "<html><head><title>t</title></head><p>b</p></html>"),
                 Story("C", "<body>c"), Story("D", "<!doctype html><i>d</i>")])
    inner = made[made.index("<body>"):]
    assert inner.startswith("<body>\n<h2>A</h2>\n<style>p {color: red}</style>\n<p>Hello</p>\n<h2>B</h2>\n<p>b</p>\n"
                            "<h2>C</h2>\nc\n<h2>D</h2>\n<i>d</i>")
    assert [made.count(tag) for tag in ("<html", "<head", "<body", "<title")] == [1, 1, 1, 0]
    assert len(html.fromstring(made).findall(".//h2")) == 4


def test_areas_of_a_template():
    """Blanks do not count; other merge tags are no places."""
    assert areas("{{content}} {{ content : Left side }} {{ contents }} {{ FirstName }} {{ content:B }}") == [
        None, "Left side", "B"]
    assert spelled("{{content}} {{ content :Left side}} {{ contents }}") == (
        "{{ content }} {{ content:Left side }} {{ contents }}")


def test_stories_go_to_their_places():
    """A named area has the HTML alone, the general place the titles, too; an area of nobody stays empty."""
    made = placed("<div>{{ content:Top }}</div>{{ content }}<div>{{ content:Left }}</div>", [
        Story("A", "<p>a</p>", area="Top"), Story("B", "<p>b</p>"), Story("C", "<p>c</p>", area="Top")])
    assert made == "<div><p>a</p>\n<p>c</p></div><h2>B</h2>\n<p>b</p><div></div>"


def test_a_story_without_an_area_goes_to_the_only_place():
    """There is no other that could be meant."""
    assert placed("<b>{{ content:Left }}</b>", [Story("A", "a"), Story("B", "b", area="Left")]) == "<b>a\nb</b>"


def test_what_a_story_says_is_no_place():
    """Only the template has places, and what looks like a group reference stays."""
    assert placed("{{ content:A }}", [Story("A", r"{{ content:A }} \1 \g<0>", area="A")]) == (
        r"{{ content:A }} \1 \g<0>")


@pytest.mark.parametrize(("template", "area", "told"), [
    ("{{ content:Left }}", "Right", "no content area 'Right', as 'T' needs it. Its content areas: 'Left'."),
    ("{{ content:A }}{{ content:B }}", None, "no place for a story without a content area"),
    ("{{ content }}", "Left", "Its content areas: none."),
])
def test_a_story_without_a_place_is_refused(template, area, told):
    with pytest.raises(GatewayError) as error:
        placed(template, [Story("T", "x", area=area)])
    assert (error.value.code, error.value.field) == ("INVALID_VALUE", "area") and told in error.value.message


@pytest.mark.parametrize("hostile", ["<body ", "<html", "<!doctype ", "<head><style", "</body", "{{ ", "<style>"])
def test_hostile_html_takes_no_long_time(hostile):
    """Linear: a megabyte of tags that never end."""
    begun = time.process_time()
    page([Story("A", "<html>" + hostile * (1_000_000 // len(hostile))), Story("B", "b")])
    assert time.process_time() - begun < 15
