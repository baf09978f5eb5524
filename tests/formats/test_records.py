"""Chunks of records: how many are in memory at once, whatever they look like."""

import json

import pytest

from gateway.domain.fields import STANDARD_FIELDS, fold
from gateway.domain.recordblock import RecordBlock
from gateway.domain.records import ImportOptions
from gateway.domain.upload import CSV, JSON, NDJSON, TSV, XML, UploadRequest
from gateway.formats.encoding import MAX_CHUNK, MAX_LINE
from gateway.formats.records import open_records

FIELDS = {fold(name): name for name in STANDARD_FIELDS}
LONG = "x" * 600_000
ROWS = 12


def long_rows(media_type):
    """A file of few rows, each of them longer than a chunk of ordinary ones."""
    names = [f"a{number}@example.org" for number in range(ROWS)]
    if media_type == CSV:
        return "email,City\r\n" + "".join(f"{name},{LONG}\r\n" for name in names)
    if media_type == TSV:  # quoted newlines: the way of one row after the other
        return "email\tCity\n" + "".join(f'{name}\t"{LONG[:-1]}\n"\n' for name in names)
    if media_type == XML:
        records = (f'<subscriber><email>{name}</email><field name="City">{LONG}</field></subscriber>' for name in names)
        return f"<subscribers>{''.join(records)}</subscribers>"
    records = [json.dumps({"email": name, "fields": {"City": LONG}}) for name in names]
    return "\n".join(records) if media_type == NDJSON else f"[{','.join(records)}]"


def opened(media_type, text):
    data = text.encode()
    return open_records((data[at:at + (1 << 16)] for at in range(0, len(data), 1 << 16)),
                        UploadRequest(ImportOptions(), media_type), FIELDS)


@pytest.mark.parametrize("media_type", [CSV, TSV, NDJSON, JSON, XML])
def test_few_long_records_fill_a_chunk(media_type):
    """PUSH-58, PUSH-63: a chunk is 2,000 rows, or as many long ones as memory bears; none is lost or comes twice."""
    stream, chunks = opened(media_type, long_rows(media_type)), []
    while chunk := stream.take(2000):
        chunks.append([record.email for record in chunk])
    assert max(map(len, chunks)) <= (MAX_CHUNK + MAX_LINE) // len(LONG)
    assert [email for chunk in chunks for email in chunk] == [f"a{number}@example.org" for number in range(ROWS)]


@pytest.mark.parametrize("media_type", [CSV, TSV, NDJSON, JSON, XML])
def test_pieces_of_a_dry_run(media_type):
    """PUSH-56: a piece is as many chunks as memory bears, and no more rows than were asked for."""
    stream = opened(media_type, long_rows(media_type))
    sizes = [sum(map(len, piece)) for piece in iter(lambda: stream.take_piece(5, 2), [])]
    assert sum(sizes) == ROWS and max(sizes) <= 5 and len(sizes) <= 4


def test_blank_lines_and_mixed_rows_keep_their_order():
    """PUSH-72: rows looked at ahead and given back are read once, in order, with their lines."""
    cities = ("A" if number % 3 else "\n" for number in range(50))
    text = "email,City\n" + "".join(f'a{number}@example.org,"{city}"\n\n' for number, city in enumerate(cities))
    stream, found = opened(CSV, text), []
    for count in (7, 1, 30, 2, 100, 100):
        found += [(record.email, record.line) for record in stream.take(count)]
    assert [email for email, _ in found] == [f"a{number}@example.org" for number in range(50)]
    assert [line for _, line in found] == sorted(line for _, line in found)


@pytest.mark.parametrize("media_type", [CSV, NDJSON, JSON, XML])
def test_whoever_asks_whether_there_is_a_record_misses_none(media_type):
    """PUSH-55, PUSH-63: the check for an empty complete list takes nothing away; a table still comes in blocks."""
    stream = opened(media_type, long_rows(media_type).replace(LONG, "Utrecht"))
    assert not stream.is_empty()
    chunks = []
    while chunk := stream.take(2000):
        chunks.append(chunk)
    emails = [record.email for chunk in chunks for record in chunk]
    assert emails == [f"a{number}@example.org" for number in range(ROWS)]
    assert media_type != CSV or isinstance(chunks[-1], RecordBlock)


def test_a_table_without_rows_is_empty():
    stream = opened(CSV, "email,City\n")
    assert stream.is_empty() and not stream.take(2000)
