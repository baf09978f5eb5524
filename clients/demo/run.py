"""``make demo``: the main job end to end through real sockets; exit code 1 unless every count adds up."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import members
import recipients
from gateway_client import Gateway, MailingDraft, Record
from members import INTEREST
from model import Model
from processes import Installation, wait_until

BRAND, USER, PASSWORD = 9999, "apiuser", "demo password"
AMS = "membership"
AFTER_SENDING_S = 2.5  # a click within two seconds of delivery is counted as a machine's
HTML = """<html><body><h1>Hello {{ FirstName | default("member") }}!</h1>
<p>The <a href="https://www.example.org/news?issue=1">news of your association</a> are here.</p>
<p>See you at the <a href="https://www.example.org/meeting">meeting</a>, {{ FirstName }} {{ LastName }}.</p>
</body></html>"""


class Story:
    """Prints what is done, and compares every number with what it must be."""

    def __init__(self) -> None:
        self.wrong = 0
        self.started = time.monotonic()

    def chapter(self, title: str) -> None:
        """The next step."""
        print(f"\n[{time.monotonic() - self.started:5.1f} s] {title}", flush=True)

    def check(self, what: str, found: object, wanted: object) -> None:
        """Prints a number, and counts it as wrong unless it is what it must be."""
        is_right = found == wanted
        self.wrong += not is_right
        print(f"   {'ok   ' if is_right else 'WRONG'} {what}: {found}" + ("" if is_right else f", must be {wanted}"))


class Push:
    """The native PUSH API with an API key."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key

    def __call__(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json",
                 ) -> dict[str, object]:
        request = urllib.request.Request(f"{self.url}/push/v1{path}", data=body, method=method, headers={
            "X-Api-Key": self.key, "Content-Type": content_type})
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, object] = json.load(answer)
            return found


def import_members(story: Story, gateway: Gateway, push: Push, model: Model) -> None:
    """The export's first part over SOAP, the rest as a CSV file over HTTP."""
    rows = members.export_rows()
    by_soap, by_csv = rows[:members.BY_SOAP], rows[members.BY_SOAP:]
    story.chapter(f"SOAP: ImportSubscribers, {len(by_soap)} rows of last month's export in calls of 1,000")
    result = gateway.import_subscribers([
        Record(email=row.email, remote_id=row.member_no or None,
               fields={"FirstName": row.first_name, "LastName": row.last_name}) for row in by_soap],
        interests=[INTEREST])
    wanted = model.apply(by_soap)
    for status in ("created", "adopted", "updated", "unchanged", "failed"):
        story.check(status, getattr(result, status), wanted[status])
    for failure in result.failures:
        print(f"         record {failure.index + 1}: {failure.code}: {failure.message}")

    story.chapter(f"PUSH: the other {len(by_csv)} rows as CSV; 202, then the job's counts")
    job = push("POST", f"/imports?interest={INTEREST}", members.as_csv(by_csv), "text/csv; charset=utf-8")
    done = wait_until("the import", lambda: _finished(push, str(job["jobId"])))
    wanted = model.apply(by_csv)
    for status in ("created", "adopted", "updated", "unchanged", "failed"):
        story.check(status, done[status], wanted[status])


def _finished(push: Push, job_id: str) -> dict[str, object] | None:
    job = push("GET", f"/imports/{job_id}")
    return job if job.get("finishedAt") else None


def sync_ams(story: Story, installation: Installation, model: Model) -> None:
    """The AMS as it is today: new addresses, lost numbers, do-not-email flags; first as a preview."""
    story.chapter("Sync of the AMS: preview, then for real; and once more, when nothing is left to do")
    preview = installation.command("sync", "--brand", str(BRAND), "--integration", AMS, "--preview")
    real = installation.command("sync", "--brand", str(BRAND), "--integration", AMS)
    today = members.ams_members()
    wanted = model.sync(today, {m.member_no: members.is_flagged(m) for m in today})
    story.check("new", real["new"], wanted["created"])
    story.check("adopted", real["adopted"], wanted["adopted"])
    story.check("changed", real["changed"], wanted["updated"])
    story.check("unchanged", real["unchanged"], wanted["unchanged"])
    names = ("new", "adopted", "changed", "unchanged", "rejected")
    story.check("preview said the same", [preview[n] for n in names], [real[n] for n in names])
    again = installation.command("sync", "--brand", str(BRAND), "--integration", AMS)
    story.check("unchanged, the second time", again["unchanged"], len(today))


def send(story: Story, gateway: Gateway, push: Push, model: Model, opted_out: set[str]) -> str:
    """Creates, previews and sends the mailing; answers the instance's id once all is out."""
    who, left_out = model.audience(opted_out)
    story.chapter("SOAP: CreateMailing, PreviewMailing, SendMailing")
    mailing = gateway.create_mailing(MailingDraft(
        name="Demo news", subject="News for {{ FirstName }}", from_address="news@example.org",
        from_name="Example Association", html=HTML, interests=[INTEREST]))
    preview = gateway.preview_mailing(mailing.mailing_id, remote_id="M-00001")
    story.check("recipients in the preview", preview.recipients, len(who))
    story.check("left out in the preview", dict(preview.left_out), dict(left_out))
    instance = gateway.send_mailing(mailing.mailing_id)
    path = f"/mailings/{mailing.mailing_id}"
    wait_until("the mailing", lambda: all(
        each["state"] == "sent" for each in push("GET", path)["instances"]))  # type: ignore[attr-defined]
    return instance.instance_id


def read_mail(story: Story, letters: list[recipients.Letter]) -> dict[str, set[str]]:
    """Every second person opens, every sixth clicks, every fortieth unsubscribes; answers who did what."""
    story.chapter("Recipients open, click and unsubscribe, through the links in the mail")
    did: dict[str, set[str]] = {"opened": set(), "clicked": set(), "unsubscribed": set()}

    def act(name: str, every: int, work: Callable[[recipients.Letter], bool]) -> None:
        for letter in letters[::every]:
            if not work(letter):
                raise RuntimeError(f"{name} failed for {letter.to}")
            did[name].add(letter.to)

    act("opened", 2, lambda letter: recipients.get(letter.pixel())[0] == 200)
    act("clicked", 6, lambda letter: recipients.get(letter.link()) == (302, "https://www.example.org/news?issue=1"))
    pages = letters[::80]
    for letter in pages:  # a person looks at the page first, which changes nothing, and then presses the button
        story.wrong += recipients.get(letter.unsubscribe_url())[0] != 200
        story.wrong += recipients.post(letter.unsubscribe_url(), b"")[0] != 200
        did["unsubscribed"].add(letter.to)
    for letter in letters[40::80]:  # a mail program does it in one click (RFC 8058)
        story.wrong += recipients.post(letter.unsubscribe_url(), b"List-Unsubscribe=One-Click")[0] != 200
        did["unsubscribed"].add(letter.to)
    for name, people in did.items():
        print(f"         {len(people)} people {name}")
    return did


def _clicks(gateway: Gateway, instance_id: str) -> int:
    report = gateway.get_report(instance_id=instance_id)
    return int(report["clicks"]) + int(report["clicksAutomated"])


def check_report(story: Story, gateway: Gateway, push: Push, instance_id: str, model: Model,
                 letters: list[recipients.Letter], did: dict[str, set[str]], opted_out: set[str]) -> None:
    """The report over SOAP against what the mail server has and what people did; then PUSH against SOAP."""
    who, left_out = model.audience(opted_out)
    bounced = sum(1 for address in who if address.startswith("bounce-5xx"))
    story.chapter("The report over SOAP, each number against the mail server's log")
    wait_until("opens and clicks to be counted", lambda: _clicks(gateway, instance_id) >= len(did["clicked"]))
    report = gateway.get_report(instance_id=instance_id)
    story.check("messages at the mail server, one an address", len({letter.to for letter in letters}), len(letters))
    story.check("targeted", report["targeted"], len(model.people))
    story.check("left out", dict(report.left_out), dict(left_out))
    story.check("sent", report["sent"], len(letters) + bounced)
    story.check("bounced", report["bouncedHard"], bounced)
    story.check("delivered", report["delivered"], len(letters))
    story.check("in doubt", report["inDoubt"], 0)
    story.check("opens", report["opens"], len(did["opened"]))
    story.check("unique opens (a click is an open too)", report["uniqueOpens"], len(did["opened"] | did["clicked"]))
    story.check("clicks", report["clicks"], len(did["clicked"]))
    story.check("unsubscribed", report["unsubscribed"], len(did["unsubscribed"]))
    story.check("it adds up", sum(report.left_out.values()) + report["pending"] + report["inDoubt"] + report["sent"]
                + report["cancelled"], report["targeted"])
    story.check("events: clicked", sum(1 for _ in gateway.find_events(types=["clicked"], instance_id=instance_id)),
                len(did["clicked"]))
    unsubscribed = {event.address for event in gateway.find_unsubscribes(instance_id=instance_id)}
    story.check("unsubscribes of this mailing", len(unsubscribed), len(did["unsubscribed"]))
    story.check("by the right people", unsubscribed == did["unsubscribed"], True)

    story.chapter("The same over PUSH")
    mailing_id = next(gateway.find_mailings(name="Demo news")).mailing_id
    figures = push("GET", f"/mailings/{mailing_id}/report?instance={instance_id}")
    names = ("targeted", "sent", "delivered", "bouncedHard", "opens", "uniqueOpens", "clicks", "unsubscribed")
    story.check("report", {n: figures[n] for n in names}, {n: report[n] for n in names})


def check_writebacks(story: Story, ams: Path, model: Model, addresses: set[str]) -> None:
    """Every unsubscribe stands in the AMS, at every member who has the address; not the two that it told us itself."""
    story.chapter("The unsubscribes, written back into the AMS")
    wanted = {p.remote_id for p in model.people if p.email in addresses and p.remote_id}
    wait_until("the writebacks", lambda: len(members.opted_out_in_ams(ams)) >= len(wanted), 60)
    story.check("members marked in the AMS", len(members.opted_out_in_ams(ams)), len(wanted))
    story.check("they are the right ones", members.opted_out_in_ams(ams) == wanted, True)


def tell(folder: Path, port: int, keep: bool) -> int:
    """The whole story; answers the exit code."""
    story, model, ams = Story(), Model(), folder / "ams.db"
    members.make_ams(ams)
    installation = Installation(folder, port)
    try:
        story.chapter("A gateway on embedded defaults (SQLite, embedded worker), a mail server, a sample AMS")
        installation.command("init")
        installation.command("brand", "add", "--id", str(BRAND), "--name", "Example Association")
        bridge = folder / "bridge.json"
        bridge.write_text(json.dumps(members.bridge_config(ams)), encoding="utf-8")
        installation.command("integration", "add", "--brand", str(BRAND), "--name", AMS, "--kind", "sql",
                             "--config", str(bridge))
        installation.command("user", "add", "--brand", str(BRAND), "--name", USER, "--role", "admin",
                             "--integration", AMS, "--password-stdin", stdin=PASSWORD + "\n")
        key = str(installation.command("key", "add", "--brand", str(BRAND), "--integration", AMS)["key"])
        installation.serve()
        push = Push(installation.url, key)
        with Gateway(installation.url, brand=BRAND, user=USER, password=PASSWORD) as gateway:
            import_members(story, gateway, push, model)
            sync_ams(story, installation, model)
            story.chapter("PUSH: two members told the office that they want no more mail, and the AMS tells us")
            early = {"member0021@example.org", "member0022@example.org"}
            body = json.dumps([{"email": address, "reason": "by telephone"} for address in sorted(early)]).encode()
            story.check("unsubscribed", push("POST", "/subscribers/unsubscribe", body)["count"], 2)
            instance_id = send(story, gateway, push, model, early)
            letters = recipients.letters(installation.mail_log)
            time.sleep(AFTER_SENDING_S)
            did = read_mail(story, letters)
            check_report(story, gateway, push, instance_id, model, letters, did, early)
            check_writebacks(story, ams, model, did["unsubscribed"])
        print(f"\n{'All numbers add up.' if not story.wrong else f'{story.wrong} numbers are WRONG.'}")
        if keep:
            print(f"Still serving on {installation.url}: brand {BRAND}, user {USER}, password '{PASSWORD}', "
                  f"key {key}.\nThe report's instance is {instance_id}. Ctrl-C ends it.", flush=True)
            installation.wait()
    finally:
        installation.stop()
    return 1 if story.wrong else 0


def main() -> int:
    """Tells the story in a folder of its own, which is removed afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep serving afterwards")
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder:
        return tell(Path(folder), args.port, args.keep)


if __name__ == "__main__":
    sys.exit(main())
