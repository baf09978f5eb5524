"""CSV rows, good and bad, and where each of them begins."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.fields import STANDARD_FIELDS, fold
from gateway.errors import GatewayError
from gateway.formats.csv import CsvReader
from gateway.formats.encoding import MAX_LINE, decode, lines

FIELDS = {fold(name): name for name in STANDARD_FIELDS}


def read(data, size=1 << 16, charset=None, **options):
    data = data.encode() if isinstance(data, str) else data
    blocks = [data[at:at + size] for at in range(0, len(data), size)]
    return CsvReader(lines(decode(blocks, charset)), FIELDS, **options)


def rows(data, **options):
    return list(read(data, **options))


@pytest.mark.parametrize("size", [1, 5, 1 << 16])
def test_quotes_newlines_and_line_numbers(size):
    """PUSH-60, PUSH-72: quoted newlines part lines but not rows; a record has the line it begins on."""
    found = rows('remoteId,email,City\r\n1,a@b.org,"New\r\nYork, ""NY"""\r\n\r\n2,c@d.org,\n', size=size)
    assert [(r.remote_id, r.email, dict(r.values), r.line) for r in found] == [
        ("1", "a@b.org", {"City": 'New\r\nYork, "NY"'}, 2), ("2", "c@d.org", {"City": ""}, 5)]


def test_last_line_without_end():
    """RFC 4180, 2.2: the last record may lack its line end."""
    assert [r.email for r in rows("email\na@b.org\nc@d.org")] == ["a@b.org", "c@d.org"]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiter(delimiter):
    """PUSH-60: another delimiter by option."""
    text = f"email{delimiter}City\na@b.org{delimiter}Bonn, Beuel\n"
    assert rows(text, delimiter=delimiter)[0].values == {"City": "Bonn, Beuel"}


def test_empty_cell_is_empty_text_and_names_nobody():
    """ID-41: an empty cell is "", an absent column is missing; an empty identifier is none."""
    record = rows("remoteId,email,City,doNotEmail,interests\n,a@b.org,,,\n")[0]
    assert (record.remote_id, record.values, record.do_not_email) == (None, {"City": ""}, None)
    assert record.add_interests == ()


def test_interests_and_flag():
    """PUSH-61, PUSH-9: names joined by the pipe; booleans in any of their words."""
    record = rows("email,Interests,Do_Not-Email\na@b.org, News | Events |,True\n")[0]
    assert (record.add_interests, record.do_not_email) == (("News", "Events"), True)


@pytest.mark.parametrize(("row", "code"), [
    ("a@b.org", "INVALID_VALUE"), ("a@b.org,x,y", "INVALID_VALUE"), ('"a@b.org,x', "INVALID_VALUE"),
    ('"a"b,x', "INVALID_VALUE"), ("a@b.org,x\ry", "INVALID_VALUE"), (b"a@b.org,\xff", "INVALID_CHARACTER"),
    ("a@b.org," + "x" * MAX_LINE, "FIELD_TOO_LONG"), ('a@b.org,"' + "x\n" * MAX_LINE + '"', "FIELD_TOO_LONG")])
def test_bad_row_fails_alone(row, code):
    """PUSH-59, PUSH-60, PUSH-5: a row that cannot be read fails in its place; the next one is read."""
    row = row.encode() if isinstance(row, str) else row
    tail = b"" if row.startswith(b'"a@') else b"c@d.org,ok\n"
    found = rows(b"email,City\nx@y.org,ok\n" + row + b"\n" + tail)
    after = ["c@d.org"] if tail else []
    assert [r.problem.code if r.problem else r.email for r in found] == ["x@y.org", code, *after]
    assert found[1].line == 3


def test_bad_row_with_quoted_lines_does_not_make_rows_of_them():
    """PUSH-60: what stands inside the quotes of a bad row is never taken for a row of its own."""
    found = rows('email,City\na\rb,"x\nevil@example.org,"\nc@d.org,ok\n')
    assert [r.problem.code if r.problem else r.email for r in found] == ["INVALID_VALUE", "c@d.org"]
    found = rows('email,City\n"a"b,"x\nevil@example.org,"\nc@d.org,ok\n')
    assert [r.problem.code if r.problem else r.email for r in found] == ["INVALID_VALUE", "c@d.org"]


def test_lost_quote_says_which_lines_it_took():
    """PUSH-68, PUSH-72: nobody must have to guess that a lost quote took right rows with it."""
    found = rows('email,City\na@b.org,"open\nc@d.org,x\ne@f.org,"y"\ng@h.org,z\n')
    assert [(r.problem.code, r.line) for r in found] == [("INVALID_VALUE", 2)]
    assert "Lines 2 to 5" in found[0].problem.message
    found = rows('email,City\na@b.org,"open"x\nc@d.org,x\n')
    assert "Lines" not in found[0].problem.message


def test_lone_carriage_returns_are_named():
    """PUSH-60: lines end with CRLF or LF; for CR alone the message says so, and does not speak of quotes."""
    assert "carriage return" in rows("email,City\na@b.org,x\rc@d.org,y\n")[0].problem.message
    assert rows('email,City\na@b.org,"x\ry"\n')[0].values == {"City": "x\ry"}
    with pytest.raises(GatewayError) as refused:
        read("email,City\ra@b.org,x\r")
    assert "carriage return" in refused.value.message


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xff,email\n", b"City,Title\n", b'"email\na@b.org\n',
                                  b"email,E-Mail\n", b"email,City,city\n", b"id,contactId,email\n"])
def test_header_that_cannot_be_used_rejects_the_file(data):
    """PUSH-61, PUSH-69: no header, damaged, without identifier, or two columns of one meaning."""
    with pytest.raises(GatewayError) as refused:
        read(data)
    assert refused.value.code == "INVALID_REQUEST"


def test_columns_for_files_without_header():
    """PUSH-61: columns= names them; an empty name leaves a column out on purpose."""
    reader = read("17,a@b.org,skip,Ann\n", columns=("remoteId", "email", "", "FirstName"))
    assert [(r.remote_id, r.email, r.values, r.line) for r in reader] == [("17", "a@b.org", {"FirstName": "Ann"}, 1)]
    assert reader.plan.unmapped == ()


@pytest.mark.parametrize("name", ["remoteId", "ID", "Contact Id", "member-id", "iMIS_ID"])
def test_header_synonyms(name):
    """PUSH-61: by name without regard to case, blanks, - and _."""
    reader = read(f"E-Mail,{name},first name,Shoe size\na@b.org,17,Ann,38\n")
    record = next(iter(reader))
    assert (record.email, record.remote_id, record.values) == ("a@b.org", "17", {"FirstName": "Ann"})
    assert reader.plan.unmapped == ("Shoe size",)


def test_flat_memory():
    """PUSH-58: neither a quote that is never closed nor a line that never ends fills the memory."""
    for head, piece in ((b"", b'"\n' + b"x" * 1022), (b'a@b.org,"', b"\n" + b"x" * 1023), (b"", b"x" * 1024)):
        tracemalloc.start()
        count = sum(1 for _ in CsvReader(lines(decode([b"email,City\n", head, *([piece * 64] * 400)], None)), FIELDS))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count >= 1
        assert peak < 16 * MAX_LINE  # of 26; the csv module takes four bytes a character


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters='\n",\r'), max_size=20)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.integers(1, 50), st.sampled_from(["\n", "\r\n"]))
def test_any_table_survives(table, size, end):
    """ID-P3: any text in quoted cells, any cutting of the bytes: the same records."""
    def quoted(cell):
        return '"' + cell.replace('"', '""') + '"'

    text = "email,City" + end + "".join(quoted(a) + "," + quoted(b) + end for a, b in table)
    found = rows(text, size=size)
    assert [(r.email, r.values["City"], r.problem) for r in found] == [(a or None, b, None) for a, b in table]


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_raw_export(size):
    """PUSH-60 ``quote=none``: quotes are text, every line is a row, and nothing runs into the next one."""
    found = rows('email\tCity\na@b.org\t5" pipe\nb@b.org\t"Bonn\nc@b.org\t"Kiel"\nd@b.org\n', size=size,
                 delimiter="\t", quoted=False)
    assert [record.values.get("City") for record in found] == ['5" pipe', '"Bonn', '"Kiel"', None]
    assert [(record.line, record.problem and record.problem.code) for record in found] == [
        (2, None), (3, None), (4, None), (5, "INVALID_VALUE")]


def test_raw_row_that_is_too_long():
    """PUSH-5, PUSH-60: with ``quote=none`` a lone quote in a row that is too long does not take the next row along."""
    found = rows(f'email,City\na@b.org,"{"x" * MAX_LINE}\nc@b.org,Kiel\n', quoted=False)
    assert [record.problem and record.problem.code for record in found] == ["FIELD_TOO_LONG", None]
