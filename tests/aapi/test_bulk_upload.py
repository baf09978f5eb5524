"""BulkUpload: a queued file of any size in a document (aapi.md sections 5.4 and 9.4)."""

import json
from xml.sax.saxutils import escape

import pytest

from gateway.domain.paging import PageRequest
from gateway.services import notices, suppression, uploadruns, uploads
from tests.aapi.people import (
    definition,
    details,
    members,
    rows,
    stored,
    subscribe,
    subscriber,
    told,
    unsubscribed,
)

REPLACE, REMOVE = "ReplaceAllSubscribers", "RemoveSubscribers"
UNSUBSCRIBE, RESUBSCRIBE = "UnsubscribeSubscribers", "ResubscribeSubscribers"

EMAIL = definition("Email", "string", ColumnIndex=1, FieldType="Email")
REMOTE_ID = definition("ID", "integer", ColumnIndex=2, FieldType="ID")
FIRST_NAME = definition("FirstName", ColumnIndex=3)
MAIL_TO = "<StatusEmailRecipients><Email>ops@example.org</Email></StatusEmailRecipients>"


def upload(data, *definitions, interests=None, mail_to=MAIL_TO, **more):
    """A BulkUpload element; ``more`` are nodes of UploadDetails."""
    interests = details() if interests is None else interests
    settings = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in more.items())
    defined = "".join(definitions or (EMAIL, REMOTE_ID, FIRST_NAME))
    return (f"<BulkUpload><UploadDetails>{interests}{mail_to}{settings}</UploadDetails>"
            f"<FieldDefinitions>{defined}</FieldDefinitions><Data>{escape(data)}</Data></BulkUpload>")


def queue(door, *args, brand=1, **more):
    """The id of a queued upload."""
    upload_id, status, message = told(door.actions(upload(*args, **more), brand=brand), "UploadID")
    assert (status, message) == ("success", "Upload queued.")
    return int(upload_id)


def look(door, upload_id, brand=1):
    with door.gateway.reading(door.actor(brand=brand)) as unit:
        return uploads.get(unit, upload_id)


def run(door, *args, brand=1, **more):
    """The job of an upload that was queued and worked on."""
    upload_id = queue(door, *args, brand=brand, **more)
    uploadruns.run_import(door.gateway, brand, upload_id)
    return look(door, upload_id, brand)


def counted(job):
    """What upload_history shows: total, new, previous, changed, duplicate, invalid, previously unsubscribed."""
    c = job.counters
    return (c.received, c.created, c.adopted + c.updated + c.unchanged, c.notes.get("emailChanged", 0),
            c.warnings.get("DUPLICATE_IN_BATCH", 0), c.failed, c.notes.get("metUnsubscribed", 0))


def values(door, name="FirstName"):
    """Address -> the field's stored value."""
    found = rows(door, "SELECT s.email, v.document FROM source_values v JOIN subscriber s ON s.id = v.subscriber_id")
    return {email: json.loads(document)[name] for email, document in found if name in json.loads(document)}


def test_the_first_example(any_door):
    """Section 5.4: the vendor's sample, with the flag and without quotes; the id and the state are there at once, and
    no other account sees any of it."""
    data = "joe@example.org, 1374, Joe\nsally@example.org, 5463, Sally"
    upload_id = queue(any_door, data, interests=details("News"), ColumnDelimiter=",", HasFieldsEnclosedInQuotes="1",
                      RemovePersonalInfoIfBlank="0")
    assert look(any_door, upload_id).state == "queued" and stored(any_door) == []
    uploadruns.run_import(any_door.gateway, 1, upload_id)
    assert (look(any_door, upload_id).state, counted(look(any_door, upload_id))) == ("finished", (2, 2, 0, 0, 0, 0, 0))
    assert stored(any_door) == [("joe@example.org", "1374"), ("sally@example.org", "5463")]
    assert members(any_door, "News") == ["joe@example.org", "sally@example.org"]
    assert stored(any_door, 2) == []
    assert rows(any_door, "SELECT door, actor FROM upload") == [("aapi", "user:sender")]


def test_interests_of_rows(door):
    """Section 9.4: interests per record; names that do not exist are ignored and made for nobody."""
    door.actions(subscribe("x@example.org", interests=details("News", "Events")))
    interest = definition("Interest", "string", ColumnIndex=3)
    job = run(door, "joe@example.org~1374~News, Events,Nothing\nsally@example.org~5463~News\ncy@example.org~7~", EMAIL,
              REMOTE_ID, interest, ColumnDelimiter="~", HasFieldsEnclosedInQuotes="0")
    assert counted(job)[:2] == (3, 3) and job.counters.failed == 0
    assert members(door, "News") == ["joe@example.org", "sally@example.org", "x@example.org"]
    assert members(door, "Events") == ["joe@example.org", "x@example.org"]
    assert rows(door, "SELECT name FROM interest ORDER BY name") == [("Events",), ("News",)]


@pytest.mark.parametrize("more", [{"ColumnDelimiter": ","}, {}, {
    "ColumnDelimiter": "~", "HasFieldsEnclosedInQuotes": "1"}])
def test_interests_need_another_delimiter(door, more):
    """Section 5.4: with an Interest column the delimiter is no comma, and quotes are 0."""
    fault = door.fault(upload("a@x.org,News", EMAIL, definition("Interest", ColumnIndex=2), **more))
    assert fault.code == "UnexpectedInputException" and "ColumnDelimiter" in fault.reason


@pytest.mark.parametrize("end", ["\n", "&#13;", "&#13;\n"])
def test_line_ends(door, end):
    """Section 5.4: line ends CR, LF or CRLF; empty lines are ignored; comma, no quotes and keeping are the defaults."""
    action = upload("a@x.org,1,A@END@@END@ b@x.org , 2 ,B@END@").replace("@END@", end)
    uploadruns.run_import(door.gateway, 1, int(told(door.actions(action), "UploadID")[0]))
    assert stored(door) == [("a@x.org", "1"), ("b@x.org", "2")] and values(door) == {"a@x.org": "A", "b@x.org": "B"}


def test_columns_by_index(door):
    """Section 5.4: columns go by ColumnIndex, in whatever order they are defined; one that is not defined is left out.
    Source, NewsFormat and Demographic are kept as fields of their names."""
    job = run(door, "x,North,1,a@x.org,HTML,Fair", definition("Chapter", ColumnIndex=2, FieldType="PersonalInfo"),
              definition("Mail", ColumnIndex=4, FieldType="Email"), definition("Key", ColumnIndex=3, FieldType="ID"),
              definition("NewsFormat", ColumnIndex=5, FieldType="NewsFormat"),
              definition("Trade", ColumnIndex=6, FieldType="Demographic", DefaultValue="None"))
    assert (job.state, stored(door)) == ("finished", [("a@x.org", "1")])
    assert [values(door, name) for name in ("Chapter", "NewsFormat", "Trade")] == [
        {"a@x.org": "North"}, {"a@x.org": "HTML"}, {"a@x.org": "Fair"}]
    assert rows(door, "SELECT category, default_value FROM field WHERE name = 'Trade'") == [("Demographic", "None")]


@pytest.mark.parametrize(("flag", "kept"), [("0", {"a@x.org": "Ann"}), ("1", {})])
def test_blank_cells(door, flag, kept):
    """Section 5.4: RemovePersonalInfoIfBlank 1 clears what a blank cell stands for, 0 keeps it."""
    door.actions(subscribe(subscriber("a@x.org", "1", {"FirstName": "Ann"})))
    run(door, "a@x.org,1, \n", RemovePersonalInfoIfBlank=flag)
    assert values(door) == kept


def test_bad_rows(any_door):
    """Section 5.4: no or malformed e-mail, a wrong number of cells and an ambiguous e-mail are counted as invalid, and
    the rest goes on."""
    any_door.actions(subscribe(subscriber("fam@x.org", "1"), subscriber("fam@x.org", "2")))
    job = run(any_door, "malformed,5,A\n,6,B\n,,C\nb@x.org,7\nc@x.org,8,C,x\nfam@x.org,,D\nd@x.org,9,D\n")
    assert (job.state, counted(job)) == ("finished_with_errors", (7, 1, 0, 0, 0, 6, 0))
    with any_door.gateway.feed(any_door.actor()) as unit:
        found = uploads.errors(unit, job.upload_id, PageRequest()).items
    assert [(row.line, row.code) for row in found] == [
        (1, "INVALID_EMAIL"), (2, "EMAIL_MISSING"), (3, "IDENTIFIER_MISSING"), (4, "INVALID_VALUE"),
        (5, "INVALID_VALUE"), (6, "AMBIGUOUS_EMAIL")]
    assert stored(any_door)[-1] == ("d@x.org", "9") and job.has_rejects


def test_order_and_repeats(door):
    """Section 5.4: rows apply in the order of the file, a later one wins and is counted as a duplicate; an overwritten
    e-mail and a row that met an unsubscribed record are counted, and nobody is resubscribed."""
    door.actions(subscribe(subscriber("old@x.org", "1"), "out@x.org"))
    with door.gateway.unit(door.actor()) as unit:
        suppression.opt_out(unit, email="out@x.org", origin="link")
    job = run(door, "new@x.org,1,N\nout@x.org,,O\na@x.org,2,First\na@x.org,2,Last\n")
    assert counted(job) == (4, 1, 3, 1, 1, 0, 1)
    assert values(door)["a@x.org"] == "Last" and stored(door)[0] == ("new@x.org", "1")
    assert list(unsubscribed(door)) == ["out@x.org"]


def test_replace_all(door):
    """Section 5.4: members who are not in the file leave the named interests, and no others."""
    door.actions(subscribe("ann@x.org", "bob@x.org", interests=details("News", "Events")))
    run(door, "bob@x.org,,\nnew@x.org,,\n", interests=details("News", action=REPLACE))
    assert members(door, "News") == ["bob@x.org", "new@x.org"]
    assert members(door, "Events") == ["ann@x.org", "bob@x.org"]


def test_replace_all_is_held(door):
    """ID-70: a file that would take out too many waits for an administrator, who lets it go on."""
    door.actions(subscribe(*(f"p{n}@x.org" for n in range(30)), interests=details("News")))
    job = run(door, "p1@x.org,,\n", interests=details("News", action=REPLACE))
    assert job.state == "held" and len(members(door, "News")) == 30
    with door.gateway.unit(door.actor("admin")) as unit:
        uploads.release(unit, job.upload_id)
    uploadruns.run_import(door.gateway, 1, job.upload_id)
    assert (look(door, job.upload_id).state, members(door, "News")) == ("finished", ["p1@x.org"])


def test_remove(door):
    """Section 5.4: RemoveSubscribers leave the named interests and those of their own cell; people who are not known
    are neither made nor bad, and no value changes."""
    door.actions(subscribe(subscriber("ann@x.org", fields={"FirstName": "Ann"}), "bob@x.org",
                           interests=details("News", "Events")))
    job = run(door, "ann@x.org~x~Events\nnobody@x.org~y~\n", EMAIL, definition("FirstName", ColumnIndex=2),
              definition("Interest", ColumnIndex=3), interests=details("News", action=REMOVE), ColumnDelimiter="~")
    assert (job.state, job.counters.updated, job.counters.skipped, job.message) == ("finished", 1, 1, None)
    assert members(door, "News") == members(door, "Events") == ["bob@x.org"]
    assert values(door) == {"ann@x.org": "Ann"} and len(stored(door)) == 2


def test_unsubscribe(any_door):
    """Section 5.4: UnsubscribeSubscribers cancel the subscriber, an address that nobody has as well (ID-50); an
    ambiguous e-mail and a malformed one are bad rows; nothing else changes."""
    any_door.actions(subscribe("ann@x.org", subscriber("fam@x.org", "1"), subscriber("fam@x.org", "2"), "out@x.org"))
    any_door.actions("<Unsubscribe><Subscribers><Subscriber><Email>out@x.org</Email></Subscriber></Subscribers>"
                     "</Unsubscribe>")
    job = run(any_door, "ann@x.org,,Ann\nout@x.org,,\nfam@x.org,,\nmalformed,,\nnobody@x.org,,\nfam@x.org\n",
              interests=details(action=UNSUBSCRIBE))
    assert (job.state, counted(job)) == ("finished_with_errors", (6, 0, 3, 0, 0, 3, 1))
    assert list(unsubscribed(any_door)) == ["ann@x.org", "nobody@x.org", "out@x.org"]
    assert unsubscribed(any_door)["ann@x.org"] == ("api", "Unsubscribed by upload")
    assert unsubscribed(any_door, 2) == {} and values(any_door) == {} and len(stored(any_door)) == 4
    assert rows(any_door, f"""SELECT row_number, line, status, code FROM decision WHERE upload_id = {job.upload_id}
        ORDER BY id""") == [(0, 1, "updated", None), (2, 3, "failed", "AMBIGUOUS_EMAIL"),
                            (3, 4, "failed", "INVALID_EMAIL"), (4, 5, "updated", None),
                            (5, 6, "failed", "INVALID_VALUE")]


def test_unsubscribe_one_of_several(door):
    """Section 5.4: with the ID of one of them an ambiguous e-mail is not ambiguous any more."""
    door.actions(subscribe(subscriber("fam@x.org", "1"), subscriber("fam@x.org", "2")))
    job = run(door, "fam@x.org,2,\nfam@x.org,9,\n", interests=details(action=UNSUBSCRIBE))
    assert (job.counters.updated, job.counters.by_code) == (1, {"AMBIGUOUS_EMAIL": 1})
    assert list(unsubscribed(door)) == ["fam@x.org"]


def test_resubscribe(any_door):
    """Section 5.4: ResubscribeSubscribers lift an unsubscribe, never a complaint, whoever asks, nor a hard bounce; an
    e-mail column alone will do."""
    any_door.actions(subscribe("out@x.org", "angry@x.org", "dead@x.org", "fine@x.org"))
    with any_door.gateway.unit(any_door.actor()) as unit:
        for email, origin in (("out@x.org", "link"), ("angry@x.org", "complaint"), ("dead@x.org", "form")):
            suppression.opt_out(unit, email=email, origin=origin)
        suppression.set_bounced(unit, email="dead@x.org", code="550", bounce_class="hard", event_id=1)
    action = upload("out@x.org\nangry@x.org\ndead@x.org\nfine@x.org\nnobody@x.org\nmalformed\n", EMAIL,
                    interests=details(action=RESUBSCRIBE))
    upload_id = int(told(any_door.actions(action, user="admin"), "UploadID")[0])
    uploadruns.run_import(any_door.gateway, 1, upload_id)
    counters = look(any_door, upload_id).counters
    assert (counters.updated, counters.unchanged, counters.skipped, counters.failed) == (2, 1, 2, 1)
    assert counters.notes == {"metUnsubscribed": 3}
    assert unsubscribed(any_door) == {"angry@x.org": ("complaint", None)}
    assert rows(any_door, "SELECT email FROM address_status WHERE bounced_at IS NOT NULL") == [("dead@x.org",)]
    assert rows(any_door, "SELECT address FROM event WHERE type = 'resubscribed' ORDER BY id") == [
        ("out@x.org",), ("dead@x.org",)]


def test_addresses_of_two_accounts(door):
    """Section 2: whoever unsubscribes in one account stays subscribed in another."""
    for brand in (1, 2):
        door.actions(subscribe("ann@x.org"), brand=brand)
    run(door, "ann@x.org\n", EMAIL, interests=details(action=UNSUBSCRIBE), brand=2)
    assert unsubscribed(door) == {} and list(unsubscribed(door, 2)) == ["ann@x.org"]


@pytest.mark.parametrize("action", [UNSUBSCRIBE, "AddOrUpdateSubscribers"])
def test_stopped_and_resumed(door, monkeypatch, action):
    """PUSH-63: a worker that goes after each chunk changes neither the end nor any row's outcome."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 3)
    door.actions(subscribe("p1@x.org", "p2@x.org"))
    data = "".join(f"p{n % 7}@x.org,,Name {n}\n" + ("bad\n\n" if n % 3 == 0 else "") for n in range(10))
    upload_id = queue(door, data, interests=details(action=action))
    for _ in range(20):
        uploadruns.run_import(door.gateway, 1, upload_id, stopping=lambda: True)
    uploadruns.run_import(door.gateway, 1, upload_id)
    job = look(door, upload_id)
    assert (job.state, job.rows_done, job.counters.received, job.counters.failed) == (
        "finished_with_errors", 14, 14, 4)
    if action == UNSUBSCRIBE:
        assert (job.counters.updated, job.counters.unchanged) == (7, 3) and len(unsubscribed(door)) == 7
    else:
        assert counted(job)[1:5] == (5, 5, 0, 3) and values(door)["p2@x.org"] == "Name 9"


def test_the_same_again(door):
    """PUSH-75: the same document while its job is open is the same upload; once it has ended, another."""
    first = queue(door, "a@x.org,1,A\n")
    assert queue(door, "a@x.org,1,A\n") == first != queue(door, "b@x.org,1,A\n")
    uploadruns.run_import(door.gateway, 1, first)
    assert queue(door, "a@x.org,1,A\n") != first
    assert len(list(door.world.settings.spool_dir.iterdir())) == 2


def test_undone_with_its_document(door):
    """Section 5: an action that fails later undoes the upload as well; no worker finds it."""
    assert door.fault(upload("a@x.org,1,A\n"), "<Nothing/>").code == "UnknownActionException"
    assert uploads.due(door.gateway) == [] and rows(door, "SELECT * FROM upload") == []


def test_mail_on_completion(door):
    """Section 5.4: the StatusEmailRecipients get a mail with the numbers; the worker is rung for it."""
    upload_id = queue(door, "a@x.org,1,A\nmalformed,2,B\n", mail_to="<StatusEmailRecipients><Email>ops@example.org"
                      "</Email><Email>Ann@example.org</Email></StatusEmailRecipients>")
    uploadruns.run_import(door.gateway, 1, upload_id)
    assert look(door, upload_id).options.notify == ("ops@example.org", "Ann@example.org")
    assert notices.due(door.gateway) == [(1, upload_id)]


@pytest.mark.parametrize(("action", "code"), [
    ("<BulkUpload/>", "InsufficientInformationToCompleteActionException"),
    (upload("a@x.org", mail_to=""), "InsufficientInformationToCompleteActionException"),
    (upload("a@x.org", interests=" "), "InsufficientInformationToCompleteActionException"),
    (upload("a@x.org", interests=details(action=REPLACE)), "InsufficientInformationToCompleteActionException"),
    (upload("a@x.org", interests=details(action=REMOVE)), "InsufficientInformationToCompleteActionException"),
    (upload("a@x.org", interests=details(action="DeleteSubscribers")), "UnexpectedInputException"),
    (upload(" \n "), "InsufficientInformationToCompleteActionException"),
    (upload("1,Joe", REMOTE_ID, FIRST_NAME), "InsufficientInformationToCompleteActionException"),
    (upload("a@x.org", definition("Email", FieldType="Email")), "InsufficientInformationToCompleteActionException"),
    (upload("a@x.org", definition("Email", ColumnIndex="x")), "InvalidDataFormatException"),
    (upload("a@x.org", definition("Email", ColumnIndex=0)), "UnexpectedInputException"),
    (upload("a@x.org", EMAIL, definition("A", ColumnIndex=1)), "UnexpectedInputException"),
    (upload("a@x.org", EMAIL, definition("A", ColumnIndex=2), definition("A", ColumnIndex=3)),
     "UnexpectedInputException"),
    (upload("a@x.org", EMAIL, definition("A", ColumnIndex=2, FieldType="Phone")), "UnexpectedInputException"),
    (upload("a@x.org", ColumnDelimiter="||"), "UnexpectedInputException"),
    (upload("a@x.org", HasFieldsEnclosedInQuotes="yes"), "InvalidDataFormatException"),
    (upload("a@x.org", mail_to=MAIL_TO.replace("@", " ")), "UnexpectedInputException"),
])
def test_what_is_refused(door, action, code):
    """Sections 5.4 and 8: what is missing or not allowed is a fault, and no upload is left."""
    assert door.fault(action).code == code
    assert rows(door, "SELECT * FROM upload") == [] and rows(door, "SELECT * FROM field WHERE name = 'A'") == []


def test_a_later_action_that_fails_undoes_it(door):
    """Section 5: nothing is left, neither a job nor the data on the disk; a job that was there before keeps its own."""
    kept = upload("b@x.org,2,B")
    door.actions(kept)
    assert door.fault(upload("a@x.org,1,A"), kept, "<Nothing/>").code == "UnknownActionException"
    assert rows(door, "SELECT count(*) FROM upload") == [(1,)]
    ((name,),) = rows(door, "SELECT spool_name FROM upload")
    assert [path.name for path in door.world.settings.spool_dir.iterdir()] == [name]


def test_rights(door):
    """Section 2.1: a reader may not upload."""
    assert door.fault(upload("a@x.org,1,A"), user="reader").code == "SystemAccessException"
