"""Templates, and mailings that are made of stories (aapi.md section 5.5)."""

import dataclasses

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import mailing
from gateway.db.queries import stories as stored
from gateway.domain.mailing import MailingDraft
from gateway.domain.stories import Story
from gateway.errors import GatewayError
from gateway.services import mailings, stories, templates
from tests.support.world import World

DRAFT = MailingDraft(name="Fall", subject="Fall news", from_address="office@example.org", html="")
HELLO = Story("Welcome", "<p>Hello {{ FirstName }}</p>", story_id="1")


@pytest.fixture
def world(sqlite_url, tmp_path, clock):
    with World(sqlite_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


def add(world, html="<body>{{content}}</body>", name="Plain", *, brand_id=1, role="admin"):
    with world.unit(world.actor(brand_id=brand_id, role=role)) as unit:
        return templates.add(unit, name, html)


def make(world, *found, template=None, brand_id=1, **changes):
    with world.unit(world.actor(brand_id=brand_id)) as unit:
        return stories.create(unit, dataclasses.replace(DRAFT, **changes), found,
                              template.template_id if template else None)


def refused(act, *args, **options):
    with pytest.raises(GatewayError) as error:
        act(*args, **options)
    return error.value.code, error.value.field


def test_a_brand_sees_its_own_templates(world):
    """Two brands: names and ids are the brand's own."""
    one, two = add(world), add(world, "{{ content:Left }}", brand_id=2)
    assert one.html == "<body>{{ content }}</body>"
    with world.reading() as unit:
        assert templates.find(unit) == [one] and templates.get(unit, one.template_id) == one
        assert refused(templates.get, unit, two.template_id) == ("NOT_FOUND", "templateId")


@pytest.mark.parametrize(("name", "html", "code", "field"), [
    ("", "{{ content }}", "INVALID_VALUE", "name"), ("x" * 256, "{{ content }}", "INVALID_VALUE", "name"),
    ("a\x07", "{{ content }}", "INVALID_VALUE", "name"), ("Plain", "{{ content }}", "ALREADY_EXISTS", "name"),
    ("A", "<p>no place</p>", "INVALID_VALUE", "html"), ("A", "{{ content:B }}{{ content:B }}", "INVALID_VALUE", "html"),
    ("A", "{{ content }}{{ content }}", "INVALID_VALUE", "html"), ("A", "{{ content }}\0", "INVALID_CHARACTER", "html"),
    ("A", "{{ content }}{% if x %}", "INVALID_VALUE", "html"),
    ("A", "{{ content }}" + "x" * 4 * 1024 * 1024, "FIELD_TOO_LONG", "html"),
    ("A", "{{ content:" + "x" * 256 + " }}", "INVALID_VALUE", "html"),
])
def test_what_is_no_template(world, name, html, code, field):
    add(world)
    assert refused(add, world, html, name) == (code, field)


def test_only_administrators_add_templates(world):
    assert refused(add, world, role="sender")[0] == "NOT_ALLOWED"


def test_stories_become_the_mailing_and_are_kept(world):
    """They stand in their order in ``html``, which is what is sent, and as rows beside; so does the template's id."""
    template = add(world, "<body><h1>Us</h1>{{ content:Main }}</body>")
    main = dataclasses.replace(HELLO, area="Main")
    view = make(world, main, Story("B", "<p>b</p>", area="Main"), template=template)
    assert view.draft.html == "<body><h1>Us</h1><p>Hello {{ FirstName }}</p>\n<p>b</p></body>"
    with world.reading() as unit:
        assert [each.title for each in stored.of_mailing(unit.connection, 1, view.mailing_id)] == ["Welcome", "B"]
        assert stored.of_mailing(unit.connection, 1, view.mailing_id)[0] == main
        assert stored.of_mailing(unit.connection, 2, view.mailing_id) == []
        assert unit.connection.scalar(sa.select(mailing.c.template_id)) == template.template_id
        assert stories.ids(unit, view.mailing_id) == {"1"}
    with world.reading(world.actor(brand_id=2)) as unit:
        assert refused(stories.ids, unit, view.mailing_id) == ("NOT_FOUND", "mailingId")


def test_the_text_part(world):
    """Missing text is made from the HTML: of all of it, or story by story where one brings its own."""
    assert make(world, HELLO, Story("B", "<p>b</p>")).draft.text is None
    made = make(world, HELLO, Story("B", "<p>b</p>", "Plain b"),
                Story("C", "<td>{% if X %}</td><style>{% endif %}</style>c"))
    assert made.draft.text == "Welcome\n\nHello {{ FirstName }}\n\nB\n\nPlain b\n\nC\n\nc\n"


def test_warnings_name_unknown_tags(world):
    """SEND-40, as with every other door."""
    assert [each.field for each in make(world, Story("A", "<p>{{ Strange }}</p>")).warnings] == ["Strange"]


@pytest.mark.parametrize(("found", "code", "field"), [
    ([], "INVALID_REQUEST", "stories"), ([Story("x" * 999, "x")], "FIELD_TOO_LONG", "title"),
    ([Story("T", "x", story_id="x" * 51)], "FIELD_TOO_LONG", "storyId"),
    ([Story("T", "x", area="x" * 256)], "FIELD_TOO_LONG", "area"), ([Story("T", "x\0")], "INVALID_CHARACTER", "html"),
    ([Story("T", "{{ x")], "INVALID_VALUE", "html"), ([Story("T", "{{ x", "y")], "INVALID_VALUE", "html"),
    ([Story("T", "x" * (4 * 1024 * 1024))], "FIELD_TOO_LONG", "html"),
    ([Story("T", "x")] * 1001, "INVALID_REQUEST", "stories"),
])
def test_what_is_no_mailing_of_stories(world, found, code, field):
    assert refused(make, world, *found) == (code, field)


def test_a_template_of_another_brand_is_unknown(world):
    template = add(world, brand_id=2)
    assert refused(make, world, HELLO, template=template) == ("NOT_FOUND", "templateId")
    assert make(world, HELLO, template=template, brand_id=2).mailing_id


def test_a_change_of_the_content_takes_the_stories_away(world):
    """They would say what is not sent; another change keeps them."""
    view = make(world, HELLO)
    for changes, number in (({"subject": "Other", "html": view.draft.html}, 1), ({"html": "<p>Other</p>"}, 0)):
        with world.unit() as unit:
            mailings.update(unit, view.mailing_id, changes)
            assert len(stored.of_mailing(unit.connection, 1, view.mailing_id)) == number
