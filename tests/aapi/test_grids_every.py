"""Every grid of the catalogue answers, on both databases, in whatever way it is asked (aapi.md section 7)."""

import pytest
from lxml import etree

from gateway.aapi.grids.catalogue import shapes
from gateway.db.queries.grids.activity import NOTHING
from gateway.domain.grids import Kind, fold
from tests.support.clocks import SettableClock
from tests.support.grids import Desk, fill, grid, single

SPAN = (single("start_date", "2026-01-09"), single("end_date", "2026-01-16"))
NEEDED = {"getsubscriberinterestchanges": SPAN, "subscribermessagecategories": (single("subscriber_id", 1),)}
ONE = {"subscriberpersonalinformation": "Email"}
"""An element to ask for, where the first one is not of the rows that are meant."""

ALIKE = {fold(name) for name in NOTHING[1:]}
"""Elements with the same expression, a zero, as another one."""

VALUES = {Kind.NUMBER: "1", Kind.BIT: "1", Kind.DATE: "2026-01-14T12:00:00", Kind.TEXT: "a",
          Kind.ADDRESS: "a@b.example", Kind.REMOTE: "7"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def desk(request, tmp_path_factory, sqlite_template, postgres_cluster, postgres_template):
    """A desk with two brands that have the same data each; one data set for the whole module."""
    folder = tmp_path_factory.mktemp("grids")
    if request.param == "sqlite":
        (folder / "gateway.db").write_bytes(sqlite_template.read_bytes())
        url = f"sqlite:///{folder / 'gateway.db'}"
    else:
        url = postgres_cluster.create("grids_every", postgres_template)
    with Desk(url, SettableClock(), folder, brands=(1, 2)) as made:
        made.ids = {brand_id: fill(made, brand_id) for brand_id in (1, 2)}
        yield made
    if request.param == "postgresql":
        postgres_cluster.drop("grids_every")


GRIDS = sorted(shapes())
EMPTY = {token for token in GRIDS if token.startswith((
    "campaign", "getcampaign", "landing", "webtracking", "subscriberwebtracking", "scoring", "subscribersummary"))} | {
    "subscriberextendeddemographic", "subscriberpersona", "subscriberengagementscore", "subscriberleadscore",
    "subscriberprimaryemailclient", "emailblockstatus", "event", "subscriberformusage", "mailingactivitychallenge",
    "messagecategorysubscribers", "subscribermessagecategories"}


@pytest.mark.parametrize("token", GRIDS)
def test_it_answers_all_its_elements_and_one_row_has_each_of_them(desk, token):
    """Section 7: every element asked for is answered, in order; section 7.6: grids outside the product are empty."""
    shape, where = shapes()[token], NEEDED.get(token, ())
    names = [element.name for element in shape.elements.values()]
    tree = etree.fromstring(desk.written(grid(shape.token, *names, where=where)))
    assert tree.get("type") == shape.token
    assert (len(tree) == 0) == (token in EMPTY)
    for ordinal, record in enumerate(tree, 1):
        assert record.get("row") == str(ordinal)
        assert [field.get("element") for field in record.iter("Field")] == names
    total = etree.fromstring(desk.written(grid(shape.token, "Count", where=where)))
    assert [(field.get("element"), field.text) for field in total.iter("Field")] == [("count", str(len(tree)))]


@pytest.mark.parametrize("token", GRIDS)
def test_every_element_filters_and_sorts(desk, token):
    """Section 7: every element but Count is filtered and sorted by, in both directions; EQ and NE part the rows."""
    shape, where = shapes()[token], NEEDED.get(token, ())
    if token in EMPTY:
        tests = [single(each.name, VALUES[each.kind], "NE") for name, each in shape.elements.items() if name != "count"]
        assert desk.ask(shape.token, "Count", where=(*where, *tests[:99])) == [["0"]]
        assert all(desk.ask(shape.token, "Count", where=where, sort=name) == [["0"]] for name in shape.elements)
        return
    one = ONE.get(token) or next(element.name for name, element in shape.elements.items() if name != "count")
    rows = sorted(desk.ask(shape.token, one, where=where))
    for name, element in shape.elements.items():
        if name in ("count", "startdate", "enddate") or name in ALIKE:
            continue
        value = VALUES[element.kind]
        equal, other = (desk.ask(shape.token, one, where=(*where, single(element.name, value, how)), sort=element.name,
                                 order=order) for how, order in (("EQ", "asc"), ("NE", "desc")))
        assert sorted(equal + other) == rows, element.name


@pytest.mark.parametrize("token", [token for token in GRIDS if token not in EMPTY and not token.endswith("demo")])
def test_a_brand_sees_its_own_rows_alone(desk, token):
    """Section 2: both brands have the same; each sees as many rows, and no address, id or number of the other."""
    shape, where = shapes()[token], NEEDED.get(token, ())
    names = [element.name for element in shape.elements.values()]
    mine, theirs = (desk.ask(shape.token, *names, where=where, brand_id=brand_id) for brand_id in (1, 2))
    assert len(mine) == len(theirs) > 0
    for column, (name, element) in enumerate(shape.elements.items()):
        own, other = ({row[column] for row in rows if row[column]} for rows in (mine, theirs))
        if element.kind is Kind.ADDRESS and name not in ("friendemail",):
            assert all("2@" not in each for each in own) and all("2@" in each for each in other)
        if name in ("brandid", "mailinginstanceid", "subscriberid", "subscribertointerestid", "mailingid", "uploadid"):
            assert not own & other, name
