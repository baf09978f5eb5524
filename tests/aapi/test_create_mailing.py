"""CreateMailing and CreateMessage (aapi.md section 5.5)."""

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import mailing, mailing_folder, mailing_story
from gateway.domain.accounts import system_actor
from gateway.services import brandsettings, templates
from tests.aapi.door import NS

STORY = "<Story><StoryID>1</StoryID><Title>Welcome</Title><HtmlContent>&lt;p&gt;Hello&lt;/p&gt;</HtmlContent></Story>"
FROM = "<EmailFrom>office@example.org</EmailFrom>"


def create(*stories, head="<Name>Fall news</Name><Subject>Fall news</Subject>" + FROM, more=""):
    return f"<CreateMailing>{head}{more}<Stories>{''.join(stories or (STORY,))}</Stories></CreateMailing>"


def message(*stories, more=""):
    return (f"<CreateMessage><Name>Fall</Name><Subject>Fall</Subject>{FROM}{more}<MessageStories>{''.join(stories)}"
            "</MessageStories></CreateMessage>")


def story(story_id=None, html="&lt;p&gt;x&lt;/p&gt;", *, title="T", rank=None, text=None, area=None, name="Story"):
    parts = [("StoryID", story_id), ("Title", title), ("Rank", rank), ("HtmlContent", html), ("TextOnlyContent", text),
             ("MessageContentArea", area)]
    return f"<{name}>{''.join(f'<{tag}>{value}</{tag}>' for tag, value in parts if value is not None)}</{name}>"


def rows(door, table=mailing):
    with door.world.reading() as unit:
        return unit.connection.execute(sa.select(table).order_by(table.c.id)).all()


def tree(node):
    """(name, text) of an element and all below it."""
    return [(each.tag.removeprefix(f"{{{NS}}}"), each.text) for each in node.iter()]


def template(door, html, brand=1):
    with door.gateway.unit(system_actor(brand, "cli")) as unit:
        return templates.add(unit, f"T{len(templates.find(unit))}", html).template_id


def choose(door, brand=1, **wanted):
    with door.gateway.unit(system_actor(brand, "cli")) as unit:
        brandsettings.change(unit, wanted)


def test_the_example(any_door):
    """Section 9.5: the answer has the number of an unpublished mailing of the caller's account."""
    answer = any_door.actions(create(), brand=2)
    (row,) = rows(any_door)
    responses = answer.find(f"{{{NS}}}Responses")
    assert tree(responses)[1:] == [("CreateMailing", None), ("MailingID", str(row.id)), ("ActionStatus", None),
                                   ("Status", "success"), ("Message", "Mailing created.")]
    assert (row.brand_id, row.name, row.subject, row.from_address, row.state, row.schedule_choice, row.template_id) == (
        2, "Fall news", "Fall news", "office@example.org", "draft", None, None)
    assert (row.created_by, row.changed_by) == ("user:sender", "user:sender")
    assert "<h2>Welcome</h2>\n<p>Hello</p>" in row.html and row.text is None
    (kept,) = rows(any_door, mailing_story)
    assert (kept.brand_id, kept.mailing_id, kept.story_id, kept.position, kept.title, kept.html, kept.text) == (
        2, row.id, "1", 0, "Welcome", "<p>Hello</p>", None)


def test_the_whole_head(door):
    """Section 5.5: every node, in any order; an unknown FolderName creates the folder."""
    head = ("<FolderName>2030</FolderName><ReplyTo>Answers@Example.org</ReplyTo><Subject>S &amp; T</Subject>"
            "<FriendlyFrom>The Office</FriendlyFrom><Name>N</Name>" + FROM)
    number = template(door, "<body><h1>Us</h1>{{ content }}</body>")
    door.actions(create(story("7", title="A", text="Plain a"), head=head, more=f"<TemplateID>{number}</TemplateID>"))
    (row,) = rows(door)
    assert (row.name, row.subject, row.from_name, row.reply_to, row.folder, row.template_id) == (
        "N", "S & T", "The Office", "answers@example.org", "2030", number)
    assert row.html == "<body><h1>Us</h1><h2>A</h2>\n<p>x</p></body>"
    assert row.text == "A\n\nPlain a\n"
    door.actions(create(head=head))
    assert [(each.brand_id, each.name) for each in rows(door, mailing_folder)] == [(1, "2030")]


def test_stories_stand_in_the_order_of_their_ranks(door):
    """Section 5.5, Rank; those without one follow as they come (our choice)."""
    door.actions(create(story("a"), story("b", rank=10), story("c"), story("d", rank=9), story("e", rank=-1)))
    assert [each.story_id for each in rows(door, mailing_story)] == ["e", "d", "b", "a", "c"]
    assert [each.position for each in rows(door, mailing_story)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("action", "code", "told"), [
    (create(head="<Subject>S</Subject>" + FROM), "InsufficientInformationToCompleteActionException", "Name"),
    (create(head="<Name>N</Name>" + FROM), "InsufficientInformationToCompleteActionException", "Subject"),
    (create(head="<Name>N</Name><Subject> </Subject>" + FROM), "InsufficientInformationToCompleteActionException",
     "Subject"),
    (create(story(None)), "InsufficientInformationToCompleteActionException", "StoryID"),
    (create(story("1", title=None)), "InsufficientInformationToCompleteActionException", "Title"),
    (create(story("1", html=None)), "InsufficientInformationToCompleteActionException", "HtmlContent"),
    (create(story("1", html="")), "InsufficientInformationToCompleteActionException", "HtmlContent"),
    (create(" "), "InsufficientInformationToCompleteActionException", "Story"),
    ("<CreateMailing><Name>N</Name><Subject>S</Subject></CreateMailing>",
     "InsufficientInformationToCompleteActionException", "Stories"),
    (message(), "InsufficientInformationToCompleteActionException", "MessageStory"),
    (message(story(title=None, name="MessageStory")), "InsufficientInformationToCompleteActionException", "Title"),
    (create(more="<TemplateID>99</TemplateID>"), "ItemNotFoundException", "TemplateID"),
    (create(more="<TemplateID>x</TemplateID>"), "InvalidDataFormatException", "TemplateID"),
    (create(story("1"), story("1")), "ConflictingInformationException", "StoryID 1"),
    (create(story("1", rank=2), story("2", rank="02")), "ConflictingInformationException", "Rank 2"),
    (create(story("1", rank="first")), "InvalidDataFormatException", "Rank"),
    (create(story("1", html="<p>not escaped</p>")), "UnexpectedInputException", "escape it"),
    (create(story("1", html="{{ FirstName")), "UnexpectedInputException", "HtmlContent"),
    (create(story("x" * 51)), "UnexpectedInputException", "StoryID"),
    (create(more="<ReplyTo>nobody</ReplyTo>"), "UnexpectedInputException", "ReplyTo"),
    (create(head="<Name>N</Name><Subject>S</Subject><EmailFrom>nobody</EmailFrom>"), "UnexpectedInputException",
     "EmailFrom"),
    (message(story(name="MessageStory", area="Left")), "UnexpectedInputException", "TemplateID"),
])
def test_refusals(door, action, code, told):
    """Sections 5.5 and 8: the code, the node at fault; nothing is stored."""
    fault = door.fault(action)
    assert (fault.code, fault.side) == (code, "Client") and told in fault.reason
    assert rows(door) == [] == rows(door, mailing_folder)


def test_html_in_cdata_and_text_as_it_stands(door):
    """Section 5.5: HTML travels escaped; CDATA is another way to do so. Text keeps its lines."""
    door.actions(create(story("1", html="<![CDATA[<p>a &amp; b</p>]]>", text="one\n  two")))
    (row,) = rows(door)
    assert "<p>a &amp; b</p>" in row.html and row.text == "T\n\none\n  two\n"


def test_an_unknown_merge_tag_is_told(door):
    """SEND-40: the mailing is made, and Message says what stays empty; a field of another spelling is none."""
    answer = door.actions(create(story("1", html="{{ Nickname }} {{ first_name }}")))
    assert answer.find(f".//{{{NS}}}Status").text == "success"
    assert answer.find(f".//{{{NS}}}Message").text.startswith("Mailing created. There is no field 'Nickname'; ")
    assert "first_name" not in answer.find(f".//{{{NS}}}Message").text


def test_the_sender_falls_back_to_the_accounts(door):
    """Section 5.5: each part by itself; without any, a ConfigurationErrorException that says what to do. The account
    of another brand is not asked."""
    head = "<Name>N</Name><Subject>S</Subject>"
    choose(door, 2, fromAddress="other@example.org")
    fault = door.fault(create(head=head))
    assert fault.code == "ConfigurationErrorException" and "gateway brand set" in fault.reason
    choose(door, fromAddress="us@example.org", fromName="Us", replyTo="answers@example.org")
    door.actions(create(head=head), create(), create(head=head, more="<FriendlyFrom>Me</FriendlyFrom>"))
    assert [(row.from_address, row.from_name, row.reply_to) for row in rows(door)] == [
        ("us@example.org", "Us", "answers@example.org"), ("office@example.org", "Us", "answers@example.org"),
        ("us@example.org", "Me", "answers@example.org")]


def test_a_message_fills_the_areas_of_its_template(door):
    """Section 5.5: MessageID and MailingID are the same number; an unknown area names those that there are."""
    number = template(door, "<body>{{ content:Top }}<hr>{{ content:Left }}</body>")
    answer = door.actions(message(story(html="l", area="Left", name="MessageStory"),
                                  story(html="t", area="Top", name="MessageStory"),
                                  more=f"<TemplateID>{number}</TemplateID>"))
    (row,) = rows(door)
    assert row.html == "<body>t<hr>l</body>"
    assert tree(answer.find(f"{{{NS}}}Responses"))[1:] == [
        ("CreateMessage", None), ("MessageID", str(row.id)), ("MailingID", str(row.id)), ("ActionStatus", None),
        ("Status", "success"), ("Message", "Message created.")]
    assert [each.area for each in rows(door, mailing_story)] == ["Left", "Top"]
    fault = door.fault(message(story(area="Right", name="MessageStory"), more=f"<TemplateID>{number}</TemplateID>"))
    assert fault.code == "UnexpectedInputException" and "MessageContentArea" in fault.reason and "'Top'" in fault.reason


def test_a_message_without_a_template_is_a_plain_page(door):
    """Section 5.5: a message is a mailing."""
    door.actions(message(*(story(title=each.upper(), html=each, name="MessageStory") for each in "ab")))
    (row,) = rows(door)
    assert "<h2>A</h2>\na\n<h2>B</h2>\nb" in row.html


def test_a_template_of_another_account_is_unknown(door):
    """Two brands: an id of one says nothing in the other."""
    number = template(door, "{{ content }}", brand=2)
    assert door.fault(create(more=f"<TemplateID>{number}</TemplateID>")).code == "ItemNotFoundException"
    door.actions(create(more=f"<TemplateID>{number}</TemplateID>"), brand=2)


def test_who_may_not_send(door):
    """Section 2.1: the API right."""
    assert door.fault(create(), user="reader").code == "SystemAccessException"


def test_message_categories_are_not_offered(door):
    """Section 5: UpdateContactMessageCategoryPreference is a ConfigurationErrorException."""
    fault = door.fault("<UpdateContactMessageCategoryPreference/>")
    assert fault.code == "ConfigurationErrorException" and "Optout" in fault.reason
