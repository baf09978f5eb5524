"""Do the same messy rows end in the same state, whatever door, format, chunking and order they come by? (ID-P3)"""

from __future__ import annotations

import gzip
import http.client
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from gateway.domain.accounts import system_actor
from tests.support import messy
from tests.support.installation import PASSWORD, Installation
from tests.support.state import people_of
from tests.support.waiting import wait_for

ROWS = 10_000
BRAND = 100


@pytest.fixture
def place(tmp_path, database_url) -> Iterator[Installation]:
    """A real server on each database."""
    with Installation(tmp_path, GATEWAY_DATABASE_URL=database_url) as made:
        yield made


class Sender:
    """One brand's sender, over the network."""

    def __init__(self, place: Installation, number: int) -> None:
        self.place, self.number = place, number
        self.key = place.brand(number)
        self.chance = random.Random(number)

    def post(self, path: str, body: bytes, content_type: str, **headers: str) -> dict:
        """A request with the body in one piece; its JSON answer."""
        status, text = self.place.fetch("POST", path, body, {"ApiKey": self.key, "Content-Type": content_type, **{
            name.replace("_", "-"): value for name, value in headers.items()}})
        assert status in (200, 202, 422), (status, text)
        return json.loads(text)

    def file(self, body: bytes, content_type: str, **headers: str) -> Counter[str]:
        """A bulk import, sent in chunks of random sizes without a length; its counters once it has ended."""
        connection = http.client.HTTPConnection("127.0.0.1", self.place.port, timeout=60)
        connection.request("POST", "/push/v1/imports?emptyValue=Clear", self._blocks(body), {
            "ApiKey": self.key, "Content-Type": content_type, **headers}, encode_chunked=True)
        answer = connection.getresponse()
        job = json.loads(answer.read())
        connection.close()
        assert answer.status == 202, job
        return self.ended(job["jobId"])

    def ended(self, job_id: str) -> Counter[str]:
        """The counters of the job once it has ended."""
        def look() -> dict | None:
            job = json.loads(self.place.get(f"/push/v1/imports/{job_id}", {"ApiKey": self.key})[1])
            return job if job.get("finishedAt") else None
        job = wait_for(look, "the import", 120)
        assert job["state"].startswith("finished"), job
        return counted(job)

    def batches(self, rows: list[messy.Row]) -> Iterator[list[messy.Row]]:
        """The rows in calls of random sizes."""
        at = 0
        while at < len(rows):
            size = self.chance.randint(1, 1000)
            yield rows[at:at + size]
            at += size

    def state(self) -> list[str]:
        """What is known of the brand's people now."""
        with self.place.services() as gateway, gateway.reading(system_actor(self.number)) as unit:
            return people_of(unit)

    def _blocks(self, body: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(body):
            size = self.chance.randint(1, 200_000)
            yield body[at:at + size]
            at += size


STATUSES = ("received", "created", "adopted", "updated", "unchanged", "skipped", "suppressed", "failed")


def by_csv(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    return sender.file(b"\xef\xbb\xbf" + messy.as_csv(rows), "text/csv")


def by_csv_in_utf_16(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    return sender.file(gzip.compress(messy.as_csv(rows).decode().encode("utf-16")), "text/csv; charset=utf-16",
                **{"Content-Encoding": "gzip"})


def by_tsv(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    return sender.file(messy.as_csv(rows, tabs=True), "text/tab-separated-values")


def by_ndjson(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    return sender.file(messy.as_ndjson(rows), "application/x-ndjson")


def by_json(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    return sender.file(messy.as_json(rows), "application/json")


def by_xml(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    return sender.file(messy.as_xml(rows), "application/xml")


def by_calls(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in sender.batches(rows):
        found += counted(sender.post("/push/v1/subscribers?emptyValue=Clear", messy.as_json(batch), "application/json"))
    return found


def by_soap(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in sender.batches(rows):
        records = "".join(_soap_record(row) for row in batch)
        answer = _call_soap(sender, "<ImportSubscribers xmlns='urn:gateway:v1'><mode>AddOrUpdate</mode><emptyValue>"
                                    f"Clear</emptyValue><detail>None</detail>{records}</ImportSubscribers>")
        found += counted(dict(re.findall(r"<(?:\w+:)?(\w+)>(\d+)<", answer)))
    return found


def by_soap_start_import(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    packed = gzip.compress(messy.as_ndjson(rows))
    pieces = "".join(f"<base64>{piece}</base64>" for piece in messy.pieces(packed))
    answer = _call_soap(sender, f"<StartImport xmlns='urn:gateway:v1'><mode>AddOrUpdate</mode><emptyValue>Clear"
                                f"</emptyValue><format>Ndjson</format><compression>Gzip</compression>{pieces}"
                                "</StartImport>")
    return sender.ended(answer.partition("jobId>")[2].partition("<")[0])


def by_soap_records(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    records = "".join(_soap_record(row) for row in rows)
    answer = _call_soap(sender, f"<StartImport xmlns='urn:gateway:v1'><mode>AddOrUpdate</mode><emptyValue>Clear"
                                f"</emptyValue><format>Records</format>{records}</StartImport>")
    return sender.ended(answer.partition("jobId>")[2].partition("<")[0])


def by_v2(sender: Sender, rows: list[messy.Row]) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in sender.batches(rows):
        body = json.dumps([messy.as_contact(row) for row in batch]).encode("utf-16")
        found += counted(sender.post("/v2/contactinfo", body, "text/json; charset=utf-16"))
    return found


def counted(answer: Mapping[str, object]) -> Counter[str]:
    """The counters of an answer by their names."""
    return Counter({name: int(str(answer[name])) for name in STATUSES})


def _soap_record(row: messy.Row) -> str:
    fields = "".join(f"<field><name>{name}</name><value>{messy.escape(text)}</value></field>"
                     for name, text in row.values.items())
    flag = f"<doNotEmail>{row.do_not_email.lower()}</doNotEmail>" if row.do_not_email else ""
    return (f"<record><remoteId>{messy.escape(row.remote_id)}</remoteId><email>{messy.escape(row.email)}</email>"
            f"{fields}{flag}</record>")


def _call_soap(sender: Sender, operation: str) -> str:
    envelope = ("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Header><g:Credentials "
                f"xmlns:g='urn:gateway:v1'><g:brandId>{sender.number}</g:brandId><g:userName>apiuser</g:userName>"
                f"<g:password>{PASSWORD}</g:password></g:Credentials></s:Header><s:Body>{operation}</s:Body>"
                "</s:Envelope>")
    status, text = sender.place.fetch("POST", "/soap/v1", envelope.encode(), {"Content-Type": "text/xml"})
    assert status == 200, text[:1000]
    return text


NATIVE = (by_csv, by_csv_in_utf_16, by_tsv, by_ndjson, by_json, by_xml, by_calls, by_soap, by_soap_start_import,
          by_soap_records)


def ends(place: Installation, rows: list[messy.Row], ways: Sequence[Callable[[Sender, list[messy.Row]], Counter[str]]],
         ) -> dict[str, tuple[Counter[str], list[str]]]:
    """Counters and state after each way, in a brand of its own and an order of its own."""
    groups = messy.groups_of(rows)
    found = {}
    for at, way in enumerate(ways):
        sender = Sender(place, BRAND + at)
        by_calls(sender, rows[:ROWS // 20])  # some people are known already, from the same sender
        counters = way(sender, messy.interleaved(groups, at))
        found[way.__name__] = counters, sender.state()
    return found


def all_the_same(found: Mapping[str, tuple[Counter[str], list[str]]]) -> None:
    first, *others = found
    counters, state = found[first]
    assert counters["received"] == ROWS
    assert all(counters[status] > ROWS // 200 for status in ("created", "updated", "unchanged", "failed")), counters
    for other in others:
        assert found[other][0] == counters, (first, counters, other, found[other][0])
        lost, new = Counter(state) - Counter(found[other][1]), Counter(found[other][1]) - Counter(state)
        assert not lost and not new, (first, list(lost)[:3], other, list(new)[:3])


def test_every_native_door_and_format_ends_in_the_same_state(place):
    """ID-P3, PUSH-57: 10,000 messy rows, keyed and not, by ten ways in ten orders: the same people, the same counts."""
    Sender(place, BRAND - 1)
    place.serve()
    all_the_same(ends(place, messy.rows(ROWS, 7, always_keyed=False), NATIVE))


def test_whole_records_end_in_the_same_state_as_well(place):
    """ID-P3, ID-41: 10,000 messy rows with a remote ID each, also by the compatible face."""
    Sender(place, BRAND - 1)
    place.serve()
    all_the_same(ends(place, messy.rows(ROWS, 8, always_keyed=True), (by_csv, by_xml, by_soap, by_v2)))
