"""Tables without header as old programs write them (aapi.md section 5.4): cells, quotes, line ends, bad lines."""

import pytest

from gateway.domain.declared import EMAIL, INTERESTS, REMOTE_ID, check_declared, field_column, plan_declared
from gateway.domain.recordblock import RecordBlock
from gateway.domain.records import REMOVE, UNSUBSCRIBE, ImportOptions, Problem
from gateway.domain.upload import DECLARED, UploadRequest
from gateway.errors import GatewayError
from gateway.formats.records import open_records
from gateway.formats.rejects import write

FIELDS = {"firstname": "FirstName", "email": "Email", "memberid": "MemberId"}
COLUMNS = (EMAIL, REMOTE_ID, field_column("First_Name"))


def request(columns=COLUMNS, mode="AddOrUpdate", **more):
    return UploadRequest(ImportOptions(mode), DECLARED, columns=columns, **{"quoted": False, **more})


def read(text, step=100, **more):
    """All records, taken in steps; (remote ID, address, values) or the problem's code."""
    data = text if isinstance(text, bytes) else text.encode()
    stream = open_records([data[at:at + 7] for at in range(0, len(data), 7)], request(**more), FIELDS)
    found = []
    while taken := stream.take(step):
        found += taken
    return found


def cells(text, **more):
    return [record.problem.code if record.problem else (record.email, record.remote_id, *record.values.values())
            for record in read(text, **more)]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("step", [1, 2, 100])
def test_line_ends(end, step):
    """Section 5.4: lines end with CR, LF or CRLF, the last with nothing; empty lines are ignored; lines are counted."""
    text = end.join(["a@x.org,1,Ann", "", "  ", "b@x.org,2,Bo"])
    found = read(text, step)
    assert [(record.email, record.line) for record in found] == [("a@x.org", 1), ("b@x.org", 4)]


def test_cells_are_trimmed():
    """Section 5.4: blanks around a cell are trimmed, those in it stay."""
    assert cells(" a@x.org , 1 ,\tAnn  Lee \n") == [("a@x.org", "1", "Ann  Lee")]


@pytest.mark.parametrize(("line", "value"), [
    ("a@x.org,1,Ann", "Ann"), ('"a@x.org","1","Ann"', "Ann"), ('a@x.org , "1" , "Ann, Lee" ', "Ann, Lee"),
    ('a@x.org,1,"Ann ""Lee"""', 'Ann "Lee"'), ('a@x.org,1,5" nail', '5" nail'), ('a@x.org,1,""', ""),
    ('a@x.org,1," Ann "', "Ann"),
])
@pytest.mark.parametrize("mixed", [False, True])
def test_quotes_are_optional(line, value, mixed):
    """Section 5.4: with the flag, quotes may be there or not, and ``""`` is a quote; also among lines that are bad."""
    found = cells(f"{line}\n" + ("bad\n" if mixed else ""), quoted=True)
    assert found[0] == ("a@x.org", "1", value) and len(found) == 1 + mixed


def test_without_the_flag():
    """Section 5.4: without the flag a quote is a character like others."""
    assert cells('a@x.org,1,"Ann\nb@x.org,2,"Bo"\n') == [("a@x.org", "1", '"Ann'), ("b@x.org", "2", '"Bo"')]


@pytest.mark.parametrize("step", [1, 3, 100])
def test_bad_lines(step):
    """Section 5.4: a wrong number of cells, or quotes that do not match, cost their own line and no other."""
    text = 'a@x.org,1,Ann\nb@x.org,2\nc@x.org,3,"Cy\nd@x.org,4,Di,x\ne@x.org,5,Ed\n'
    assert cells(text, step=step, quoted=True) == [
        ("a@x.org", "1", "Ann"), "INVALID_VALUE", "INVALID_VALUE", "INVALID_VALUE", ("e@x.org", "5", "Ed")]


def test_bytes_that_mean_nothing():
    """PUSH-59: such bytes cost their own line; so does a line over 1 MiB."""
    assert cells(b"a@x.org,1,A\xff\nb@x.org,2,Bo\n") == ["INVALID_CHARACTER", ("b@x.org", "2", "Bo")]
    long = f"a@x.org,1,{'x' * 1024 * 1024}\nb@x.org,2,Bo\n".encode()
    stream = open_records([long], request(), FIELDS)
    assert [record.problem and record.problem.code for record in stream.take(10)] == ["FIELD_TOO_LONG", None]


@pytest.mark.parametrize("delimiter", ["~", "\t", " ", ";"])
def test_delimiters(delimiter):
    """Section 5.4: the delimiter is any character; blanks that are one are not trimmed away with the cells."""
    assert cells(delimiter.join(["a@x.org", "", "Ann"]) + "\n", delimiter=delimiter, quoted=True) == [
        ("a@x.org", None, "Ann")]


def test_sound_lines_come_as_a_block():
    """PUSH-63: what is sound is handed on without an object for each row."""
    stream = open_records([b"a@x.org,1,Ann\nb@x.org,2,Bo\n"], request(), FIELDS)
    block = stream.take(10)
    assert isinstance(block, RecordBlock) and block[1].line == 2 and len(block) == 2


def test_interests_of_a_row():
    """Section 5.4: the cell lists names separated by commas; with Remove they are left."""
    columns = (EMAIL, INTERESTS)
    joined, = read("a@x.org~News, Events,\n", columns=columns, delimiter="~")
    assert (joined.add_interests, joined.remove_interests) == (("News", "Events"), ())
    left, = read("a@x.org~News\n", columns=columns, delimiter="~", mode=REMOVE)
    assert (left.add_interests, left.remove_interests) == ((), ("News",))
    silent, = read("a@x.org~News\n", columns=columns, delimiter="~", mode=UNSUBSCRIBE)
    assert (silent.add_interests, silent.remove_interests) == ((), ())


def test_no_address():
    """Section 5.4: a row without e-mail is a bad one, also with a remote ID; it still says whom it means."""
    record, = read(",1,Ann\n")
    assert (record.problem.code, record.remote_id) == ("EMAIL_MISSING", "1")


def test_fields_that_are_called_like_identifiers():
    """Section 5.4: FieldType says what a column is, not its name."""
    plan = plan_declared((EMAIL, field_column("Email"), field_column("MemberID"), "", field_column("X")), FIELDS, "Add")
    assert (plan.email, plan.remote_id) == (0, None)
    assert plan.fields == ((1, "Email"), (2, "MemberId")) and plan.unmapped == ("X",) and plan.width == 5


@pytest.mark.parametrize("columns", [(REMOTE_ID,), (EMAIL, EMAIL), (EMAIL, "firstName"),
                                     (EMAIL, field_column("A_b"), field_column("ab")), (EMAIL, *map(str, range(1001)))])
def test_columns_that_cannot_be(columns):
    """Section 5.4: an e-mail column is needed, and each column is another."""
    with pytest.raises(GatewayError):
        check_declared(columns)


@pytest.mark.parametrize("quoted", [False, True])
def test_rejects(quoted):
    """PUSH-33: the failed rows as a file, each behind the reason."""
    text = b"a@x.org,1,Ann\r\n\r\nb@x.org,2\rmalformed,3,\"C,y\"\n"
    failed = iter([(1, Problem("INVALID_VALUE", "two, of three")), (2, Problem("INVALID_EMAIL", "bad", "email"))])
    made = b"".join(write([text], request(quoted=quoted), failed)).decode()
    if quoted:
        assert made == ('INVALID_VALUE,,"two, of three",b@x.org,2\r\nINVALID_EMAIL,email,bad,malformed,3,"C,y"\r\n')
    else:
        assert made == ('INVALID_VALUE,,two  of three,b@x.org,2\r\nINVALID_EMAIL,email,bad,malformed,3,"C,y"\r\n')
