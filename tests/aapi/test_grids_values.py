"""What the core grids show is what happened (aapi.md sections 7.2 to 7.5)."""

import pytest

from gateway.aapi.grids.catalogue import shapes
from tests.support.clocks import SettableClock
from tests.support.grids import Desk, among, between, fill, single


@pytest.fixture(scope="module")
def desk(tmp_path_factory, sqlite_template):
    """One data set for the module; its tests only read."""
    folder = tmp_path_factory.mktemp("grids")
    (folder / "gateway.db").write_bytes(sqlite_template.read_bytes())
    with Desk(f"sqlite:///{folder / 'gateway.db'}", SettableClock(), folder, brands=(1, 2)) as made:
        made.ids = fill(made)
        made.change("brand", 1, external_id=4711)
        made.integration("crm")
        yield made


WEEK = (single("start_date", "2026-01-09"), single("end_date", "2026-01-16"))


def table(desk, token, *fields, **more):
    """The rows with ids replaced by the names that the data set gives them."""
    return [tuple(row) for row in desk.ask(token, *fields, **more)]


def test_subscribers(desk):
    """7.3: state, codes and dates of a cancellation; a bounce alone is no unsubscribe (ID-46); 6: whose remote ID."""
    ids = desk.ids
    assert table(desk, "subscriber", "subscriber_id", "email", "user_id", "is_unsubscriber", "cancel_id",
                 "cancellation_date", "cancellation_message", "cancellation_mailing_instance_id",
                 "subscriber_upload_id") == [
        (str(ids["ann"]), "ann@example.org", "R-1", "0", "", "", "", "", ""),
        (str(ids["bob"]), "bob@example.org", "", "0", "4", "2026-01-14T12:00:00.0000000Z", "", "", ""),
        (str(ids["cat"]), "cat@example.net", "77", "0", "", "", "", "", ""),
        (str(ids["gone"]), "gone@example.org", "", "1", "2", "2026-01-12T12:00:00.0000000Z", "Too much",
         str(ids["instance"]), "9")]
    assert table(desk, "subscriber", "bounce_date", where=[single("Email", "BOB@Example.org")]) == [
        ("2026-01-14T12:00:00.0000000Z",)]
    assert table(desk, "subscriber", "user_id", where=[single("subscriber_id", ids["ann"])], integration="crm") == [
        ("R-1",)]


def test_memberships_and_those_that_ended(desk):
    """7.3: who opted out stays in the grid, who was removed is in the other one."""
    ids = desk.ids
    assert table(desk, "subscriber_interests", "Email", "interest_name", "cancelled_id", "cancellation_date",
                 where=[single("interest_id", ids["jobs"])]) == [
        ("ann@example.org", "Jobs", "2", "2026-01-13T12:00:00.0000000Z"), ("cat@example.net", "Jobs", "", "")]
    assert table(desk, "subscriber_interests_deleted", "subscriber_to_interest_id", "Email",
                 "deleted_from_interest_date") == [
        (str(ids["ended"]), "bob@example.org", "2026-01-11T12:00:00.0000000Z")]
    assert table(desk, "target_group_counts", "name", "target_group_count", "last_used_date", "type_name") == [
        ("News", "3", "2026-01-15T10:00:00.0000000Z", "Interest"),
        ("Jobs", "1", "2026-01-14T12:00:00.0000000Z", "Interest")]


def test_interest_changes(desk):
    """7.5: Added and Removed with their dates, under both kinds of names."""
    rows = table(desk, "get_subscriber_interest_changes", "Email", "subscriber_email", "interest_name",
                 "news_type_name", "action", "action_date", "cancelled", "cancelled_id", sort="action_date", where=[
                     single("start_date", "2026-01-09"), single("end_date", "2026-01-15T11:00:00")])
    assert rows == [
        ("bob@example.org", "bob@example.org", "Jobs", "Jobs", "Added", "2026-01-10T12:00:00.0000000Z", "N", ""),
        ("bob@example.org", "bob@example.org", "Jobs", "Jobs", "Removed", "2026-01-11T12:00:00.0000000Z", "N", ""),
        ("ann@example.org", "ann@example.org", "Jobs", "Jobs", "Removed", "2026-01-13T12:00:00.0000000Z", "Y", "2")]


def test_mailings(desk):
    """7.3: a mailing's attributes, its folder, template and who changed it."""
    ids = desk.ids
    assert table(desk, "mailing", "Name", "Subject", "friendly_from", "reply_to", "accounting_code", "schedule_choice",
                 "folder_id", "folder_name", "template_id", "template_name", "last_sent_date", "modify_user_id",
                 "modify_email", "Is_deleted", where=[single("MailingID", ids["mailing"])]) == [
        ("Spring news", "Spring", "Office", "re@example.org", "General", "2", str(ids["folder"]), "Letters",
         str(ids["template"]), "Plain", "2026-01-15T10:00:00.0000000Z", str(ids["user"]), "tester", "0")]
    assert table(desk, "mailing_instance", "mailing_instance_id", "mailing_date", "is_test", "last_resend_date",
                 "target_group_id", where=[among("mailing_instance_id", ids["instance"], ids["again"])]) == [
        (str(ids["instance"]), "2026-01-14T12:00:00.0000000Z", "1", "2026-01-15T10:00:00.0000000Z", str(ids["jobs"])),
        (str(ids["again"]), "2026-01-15T10:00:00.0000000Z", "0", "", str(ids["news"]))]
    assert table(desk, "scheduled_mailings", "mailing_name", "mailing_type", "ab") == [("Other", "One-time", "0")]
    assert table(desk, "mailing_template", "Name", "Top", "Bottom", "head_tags", "body_tag_paramaters") == [
        ("Plain", '<html><head><title>t</title></head><body class="x"><h1>Top</h1>', "<p>End</p></body></html>",
         "<title>t</title>", 'class="x"')]
    assert table(desk, "story", "Title", "Rank", "html_content") == [("Welcome", "1", "<p>x</p>")]
    assert table(desk, "accounting_code", "code", "Description", "is_accounting_default") == [("General", "All", "1")]


def test_figures_of_an_instance(desk):
    """7.4: unique deliveries, by the type of the first open's client; a machine's hits do not count."""
    names = ("sent_count", "blocked_count", "hard_bounce_count", "aol_complaint_count", "opens_unique_count",
             "opens_mobile_count", "opens_web_browser_count", "links_clicked_unique_count", "forwards_unique_count",
             "send_a_friend_count", "unsubscribes_count", "opt_out_count", "text_emails_count")
    assert table(desk, "mailing_activity", *names, where=[single("mailing_instance_ID", desk.ids["instance"])]) == [
        ("2", "1", "1", "1", "1", "1", "0", "1", "1", "1", "1", "0", "0")]
    assert table(desk, "mailing_activity_totals", "mailing_folder_id", "activity_date", "Sent", "first_open_count",
                 "click_count") == [(str(desk.ids["folder"]), "2026-01-14T00:00:00.0000000Z", "3", "1", "2")]


def test_figures_are_the_same_shown_and_filtered_by(desk):
    """7.4: what all rows of a page show is counted at once, what they are filtered by one by one."""
    names = [name for name in shapes()["mailingactivity"].elements if name.endswith("count") and name != "count"]
    rows = desk.ask("mailing_activity", "mailing_instance_ID", *names)
    assert len(rows) == 4 and any(row[1:] != rows[0][1:] for row in rows)
    for row in rows:
        where = [single("mailing_instance_ID", row[0]), *(single(*each) for each in zip(names, row[1:], strict=True))]
        assert desk.ask("mailing_activity", "mailing_instance_ID", where=where) == [row[:1]]


@pytest.mark.parametrize("asked", ["r-1", "77", "R-1 "])
def test_who_has_a_remote_id(desk, asked):
    """Sections 6 and 7: found in each grid of people, in any case, together with others that nobody has."""
    for token, where in (("subscriber", ()), ("subscriber_interests", ()), ("get_subscriber_interest_changes", WEEK)):
        user_ids = [row[0].lower() for row in desk.ask(token, "user_id", where=where)]
        meant = [each for each in user_ids if each == asked.strip().lower()]
        where = [*where, among("user_id", asked, "nobody's")]
        assert [row[0].lower() for row in desk.ask(token, "user_id", where=where)] == meant
        assert desk.ask(token, "user_id", where=where, brand_id=2) == []
        assert desk.ask(token, "Count", where=where) in ([[str(len(meant))]], [])


def test_hits(desk):
    """7.3: a row for each open and click of a person, with client and address; the first open; hours in UTC."""
    assert table(desk, "mailing_activity_opens", "email", "user_id", "open_date", "email_client_name",
                 "email_client_type_name", "ip_address", "mailing_id") == [
        ("ann@example.org", "R-1", "2026-01-14T16:00:00.0000000Z", "Mobile Safari", "mobile", "192.0.2.0/24",
         str(desk.ids["mailing"])),
        ("ann@example.org", "R-1", "2026-01-14T17:00:00.0000000Z", "Chrome", "web browser", "",
         str(desk.ids["mailing"]))]
    assert table(desk, "mailing_activity_first_open", "email", "first_open_date", "email_client_name") == [
        ("ann@example.org", "2026-01-14T16:00:00.0000000Z", "Mobile Safari")]
    hour = ("Year", "Month", "Day", "Hour", "open_count")
    assert table(desk, "mailing_activity_opens_by_hour", *hour) == [("2026", "1", "14", "16", "1"),
                                                                   ("2026", "1", "14", "17", "1")]
    assert table(desk, "mailing_activity_first_open_by_hour", *hour) == [("2026", "1", "14", "16", "1")]
    assert table(desk, "mailing_activity_clicks", "Id", "Link", "link_date", "mailing_name") == [
        ("1", "https://example.org/a", "2026-01-14T16:00:00.0000000Z", "Spring news"),
        ("1", "https://example.org/a", "2026-01-14T16:01:00.0000000Z", "Spring news")]


def test_what_came_back(desk):
    """7.3: bounces with the reply code, complaints among them; opt-outs; forwarded messages."""
    assert table(desk, "mailing_activity_bounces", "Email", "is_hard_bounce", "is_soft_bounce", "is_repeat_bounce",
                 "is_aol_complaint", "email_status_code") == [
        ("bob@example.org", "1", "0", "0", "0", "550"), ("ann@example.org", "0", "0", "0", "1", "")]
    assert table(desk, "mailing_activity_optout", "Email", "Interest_name", "optout_code", "optout_description",
                 "mailing_instance_id") == [("ann@example.org", "Jobs", "2", "API", "")]
    assert table(desk, "mailing_activity_send_a_friend", "from_email", "friend_email", "friend_message") == [
        ("ann@example.org", "fay@example.org", "Read this")]
    assert table(desk, "mailing_activity_forward_count", "Email", "forward_count") == [("ann@example.org", "1")]


def test_recipients(desk):
    """7.3: who got it, opened and clicked; older than 100 days is in the other grid; who was left out and why."""
    did = ("email", "was_delivered", "was_opened", "was_clicked")
    assert table(desk, "mailing_activity_subscriber_actions", *did) == [
        ("ann@example.org", "1", "1", "1"), ("bob@example.org", "0", "0", "0"), ("cat@example.net", "0", "0", "0")]
    assert table(desk, "mailing_activity_subscriber_archive", *did) == [("ann@example.org", "1", "0", "0")]
    assert table(desk, "subscriber_mailing_history", "Email", "was_blocked", "Was_Hard_bounced", "Was_Soft_bounced",
                 "Was_Repeat_bounced") == [
        ("ann@example.org", "0", "0", "0", "0"), ("bob@example.org", "0", "1", "0", "0"),
        ("cat@example.net", "1", "0", "0", "0")]
    assert table(desk, "subscriber_mailing_history_all", "Email", "Was_bounced") == [("ann@example.org", "0")]
    assert table(desk, "mailing_activity_domains", "Domain", "email_count",
                 where=[single("mailing_instance_id", desk.ids["instance"])]) == [("example.net", "1"),
                                                                                  ("example.org", "2")]
    assert table(desk, "suppressed_subscribers", "brand_id", "email", "reason", "cancelled_id") == [
        ("4711", "gone@example.org", "unsubscribed", "2")]


def test_values_of_people(desk):
    """7.3: the value that counts of each field; definitions alone when nothing of a value is asked; demographics."""
    assert table(desk, "subscriber_personal_information", "Email", "Personal_Information_Name",
                 "Personal_Information_Value") == [("ann@example.org", "FirstName", "Ann"),
                                                   ("bob@example.org", "FirstName", "Bob")]
    ids = [int(row[0]) for row in desk.ask("subscriber_personal_information", "Subscriber_personal_information_ID")]
    ids += [int(row[0]) for row in desk.ask("subscriber_demographics", "subscriber_demographics_id")]
    assert len(set(ids)) == 3 and [each // 1000 for each in ids] == [desk.ids["ann"], desk.ids["bob"], desk.ids["ann"]]
    definition = ("Name", "length_in_characters", "default_value", "personal_information_type_id")
    mine = [single("personal_information_id", desk.ids["field"])]
    for token in ("subscriber_personal_information", "personal_information"):
        assert table(desk, token, *definition, where=mine) == [("FirstName", "50", "member", "1")]
    assert table(desk, "subscriber_demographics", "Email", "demographic_category_name", "demographic_name") == [
        ("ann@example.org", "Industry", "Steel")]


def test_uploads(desk):
    """7.3: the counters of an upload; one whose counters are missing has zeros."""
    names = ("status", "total_email_count", "new_count", "previous_count", "changed_email_count",
             "duplicate_email_count", "invalid_email_count", "previous_unsubscriber_count", "uploader_name",
             "uploader_user_id", "uploader_user_id_source", "date")
    assert table(desk, "upload_history", *names, where=[among("upload_id", desk.ids["upload"],
                                                              desk.ids["old_upload"])]) == [
        ("Complete", "15", "2", "8", "6", "8", "5", "7", "tester", str(desk.ids["user"]), "AAPI",
         "2026-01-14T12:00:00.0000000Z"),
        ("Pending", "0", "0", "0", "0", "0", "0", "0", "tester", str(desk.ids["user"]), "AAPI",
         "2026-01-13T12:00:00.0000000Z")]


def test_between_both_ends_are_in_and_swapped_ends_find_nothing(desk):
    """Section 7: Between."""
    ends = "2026-01-14T16:00:00.0000000Z", "2026-01-14T17:00:00"
    assert len(desk.ask("mailing_activity_opens", "email", where=[between("open_date", *ends)])) == 2
    assert desk.ask("mailing_activity_opens", "email", where=[between("open_date", *reversed(ends))]) == []
