"""Which inner documents are taken, and how is the answer written? (aapi.md sections 2, 4, 5)"""

import pytest

from gateway.domain.accounts import system_actor
from gateway.services import brandsettings
from tests.aapi.door import NS, PASSWORD, SOAP, inner_document, read_fault, result

pytestmark = pytest.mark.usefixtures("echo")
ECHO = inner_document("ActionRequest", "Actions", "<Echo>hello</Echo>")


@pytest.fixture
def text(door):
    """Sends the text of x and answers the text of the Echo, or the code of the fault."""
    door.user("sender")

    def send(x):
        answer = door.post(x)
        if answer.status_code != 200:
            return read_fault(answer).code
        return door.send(x).findtext(".//{*}Echo")

    return send


@pytest.mark.parametrize("head", [
    '<?xml version="1.0" encoding="utf-16"?>', '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n',
    "<?xml version='1.0' encoding='x-own'?>", '<?xml version="1.0"?>', " \r\n\t", "\ufeff", "\ufeff\n",
    '\ufeff<?xml version="1.0" encoding="iso-8859-1"?>', '\n <?xml version="1.0" encoding="utf-16"?>\n'])
def test_what_stands_before_the_document(text, head):
    """Any declaration: x is characters already; a byte order mark and blanks are none of the document's business."""
    assert text(head + ECHO.replace("hello", "h\u00e9llo \u20ac")) == "h\u00e9llo \u20ac"


@pytest.mark.parametrize("order", ["PBUX", "BUPX", "XUPB", "UXBP"])
def test_children_come_in_any_order(text, order):
    parts = {"P": f"<Password>{PASSWORD}</Password>", "B": '<Brand id="1"/>', "U": "<User>sender</User>",
             "X": "<Actions><Echo>hello</Echo></Actions>"}
    pretty = "\r\n  ".join(parts[each] for each in order)
    assert text(f'<ActionRequest xmlns="{NS}">\n  {pretty}\n</ActionRequest>') == "hello"


def test_other_spellings_of_the_same(text):
    """Username; a prefix; children in no namespace; a comment within a value."""
    assert text(ECHO.replace("User>", "Username>")) == "hello"
    assert text(f'<a:ActionRequest xmlns:a="{NS}"><Brand id=" 1 "/><User> sender </User><Password>{PASSWORD}</Password>'
                "<Actions><Echo>hello</Echo></Actions></a:ActionRequest>") == "hello"
    assert text(ECHO.replace("hello", "hel<!-- not this -->lo")) == "hello"
    assert text(ECHO.replace("hello", "<![CDATA[a < b]]>")) == "a < b"


@pytest.mark.parametrize(("change", "code"), [
    ((ECHO, "   "), "InvalidMessageException"),
    ((ECHO, "hello"), "InvalidDocumentException"),
    (("</Actions>", ""), "InvalidDocumentException"),
    ((f' xmlns="{NS}"', ""), "NoNameSpaceSpecifiedException"),
    ((NS, NS.rstrip("/")), "NoNameSpaceSpecifiedException"),
    (("ActionRequest", "actionrequest"), "UnknownRequestException"),
    (("Action", "Other"), "UnknownRequestException"),
    (("User>", "user>"), "InvalidCredentialsException"),
    (("<Echo>hello</Echo>", ""), "InsufficientInformationToCompleteActionException"),
    (("Actions>", "Grids>"), "InsufficientInformationToCompleteActionException"),
    (("Echo>", "echo>"), "UnknownActionException")])
def test_what_is_no_request(text, change, code):
    """Names are case-sensitive; the root is in the namespace and nowhere else."""
    assert text(ECHO.replace(*change)) == code


def test_x_may_be_missing_or_nil(door):
    for body in ("", "<x/>", '<x xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'):
        message = (f'<s:Envelope xmlns:s="{SOAP}"><s:Body><PostInformzMessage xmlns="{NS}">{body}</PostInformzMessage>'
                   "</s:Body></s:Envelope>")
        assert read_fault(door.raw(message.encode())).code == "InvalidMessageException"


def test_the_answer_is_written_as_old_clients_read_it(door):
    """No prefix anywhere; the account's name and number, the user as stored; no password."""
    door.user("sender")
    with door.gateway.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE brand SET name = 'R&D <Society>' WHERE id = 1")
    told = result(door.post(ECHO.replace(">x<", ">whatever<")))
    assert told == (
        '<?xml version="1.0" encoding="utf-16"?><ActionResponse xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns="{NS}"><Brand id="1">R&amp;D &lt;Society&gt;'
        "</Brand><User>sender</User><Responses><Echo>hello</Echo></Responses></ActionResponse>")


@pytest.mark.parametrize(("chosen", "head"), [
    ("utf-16", '<?xml version="1.0" encoding="utf-16"?><'), ("utf-8", '<?xml version="1.0" encoding="utf-8"?><'),
    ("none", "<ActionResponse")])
def test_an_account_chooses_its_declaration(door, chosen, head):
    for brand in (1, 2):
        door.user("sender", brand)
    with door.gateway.unit(system_actor(1, "cli")) as unit:
        brandsettings.change(unit, {"aapiDeclaration": chosen})
    assert result(door.post(ECHO)).startswith(head)
    assert result(door.post(ECHO.replace('id="1"', 'id="2"'))).startswith('<?xml version="1.0" encoding="utf-16"?><')


def names(door, brand=1):
    with door.gateway.engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT name FROM interest WHERE brand_id = {brand}").scalars().all()


@pytest.mark.parametrize("last", ["<Nonsense/>", "<Keep></Keep>", "<Break>x</Break>"])
def test_actions_are_one_transaction(any_door, last):
    """The first that fails undoes the others, whoever refuses it: the door, a service, or a mistake of ours."""
    any_door.actions("<Keep>Before</Keep>")
    fault = any_door.fault("<Keep>One</Keep><Echo/>", last, "<Keep>Two</Keep>")
    assert fault.code in ("UnknownActionException", "UnexpectedInputException", "InternalErrorException")
    assert names(any_door) == ["Before"]
    answer = any_door.actions("<Keep>One</Keep>", "<Echo>and</Echo>", "<Keep>Two</Keep>")
    assert [child.tag.rpartition("}")[2] for child in answer.find("{*}Responses")] == ["Keep", "Echo", "Keep"]
    assert sorted(names(any_door)) == ["Before", "One", "Two"]


def test_an_account_acts_on_its_own_brand(door):
    door.actions("<Keep>Mine</Keep>", brand=2)
    assert (names(door, 1), names(door, 2)) == ([], ["Mine"])
