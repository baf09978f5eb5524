"""What does BulkUpload do? It makes a job like every bulk import's (aapi.md section 5.4)."""

from __future__ import annotations

from functools import partial

from gateway.aapi.actions.subscribers import MODES as IMPORT_MODES
from gateway.aapi.answers import group, leaf, status
from gateway.aapi.faults import INSUFFICIENT_INFORMATION, UNEXPECTED_INPUT, AapiError
from gateway.aapi.nodes import (
    Node,
    child,
    children,
    content,
    flag,
    number,
    only_child,
    required,
    required_child,
    text,
)
from gateway.aapi.subscriberdata import DEMOGRAPHIC, definitions_of, read_definition
from gateway.domain.declared import EMAIL, INTERESTS, REMOTE_ID, field_column
from gateway.domain.mapping import MAX_COLUMNS
from gateway.domain.records import CLEAR, KEEP, REMOVE, REPLACE_ALL, RESUBSCRIBE, UNSUBSCRIBE, ImportOptions
from gateway.domain.upload import DECLARED, UploadRequest
from gateway.services import catalogue, spool, uploads
from gateway.services.gateway import Unit

MODES = {**IMPORT_MODES, "RemoveSubscribers": REMOVE, "UnsubscribeSubscribers": UNSUBSCRIBE,
         "ResubscribeSubscribers": RESUBSCRIBE}
"""InterestAction -> how the rows are applied."""

INTEREST = "interest"
"""The name of a column that lists interests."""

PERSONAL, ADDRESS, IDENTIFIER = "personalinfo", "email", "id"
_TYPES = (PERSONAL, ADDRESS, IDENTIFIER, "source", "newsformat", DEMOGRAPHIC.lower())


def bulk_upload(unit: Unit, node: Node) -> str:
    """Keeps the data and queues a job for it; the upload's id is known at once, its end by mail and in upload_history.

    An open job of the same user with the same data and options is answered instead of a second one. Raises
    ``InsufficientInformationToCompleteActionException`` for a node that is missing, ``UnexpectedInputException`` for
    a value that is not allowed.
    """
    details = required_child(node, "UploadDetails")
    options = _options(details)
    columns = _columns(node)
    delimiter, quoted = _delimiter(details), flag(details, "HasFieldsEnclosedInQuotes")
    if INTERESTS in columns and (quoted or delimiter == ","):
        raise AapiError(UNEXPECTED_INPUT, "A column of interests lists them with commas: send another ColumnDelimiter, "
                                          "such as ~, and HasFieldsEnclosedInQuotes 0.", details)
    data = content(only_child(node, "Data"))
    if not data.strip():
        raise AapiError(INSUFFICIENT_INFORMATION, "BulkUpload needs Data, which is missing or empty.", node)
    request = UploadRequest(options, DECLARED, charset="utf-8", delimiter=delimiter, columns=columns, quoted=quoted)
    uploads.check(request)
    if options.mode not in (REMOVE, UNSUBSCRIBE, RESUBSCRIBE):  # these store no values
        catalogue.define(unit, [read_definition(each) for each in definitions_of(node)
                                if _target(each) not in (EMAIL, REMOTE_ID, INTERESTS)])
    return group("BulkUpload", leaf("UploadID", _queue(unit, data, request)), status("Upload queued."))


def _queue(unit: Unit, data: str, request: UploadRequest) -> int:
    """The id of the job. A file that no job wants after all is removed, if need be by the sweep of the spool."""
    folder = unit.settings.spool_dir
    spooled = spool.receive(folder, [data.encode("utf-8", "surrogatepass")])
    discard = partial(spool.discard, folder, spooled.name)
    unit.if_undone.append(discard)  # also when a later action of the document fails
    job = uploads.accept(unit, spooled, request)
    if job.replayed:
        discard()
    return job.upload_id


def _options(details: Node) -> ImportOptions:
    holder = required_child(details, "InterestDetails")
    action = required(holder, "InterestAction")
    if action not in MODES:
        raise AapiError(UNEXPECTED_INPUT, f"InterestAction of BulkUpload is one of {', '.join(MODES)}.", holder)
    names = _texts(holder, "InterestNames", "InterestName")
    if not names and MODES[action] in (REMOVE, REPLACE_ALL):
        raise AapiError(INSUFFICIENT_INFORMATION, f"{action} needs the InterestNames that it is about.", holder)
    recipients = _texts(details, "StatusEmailRecipients", "Email")
    if not recipients:
        raise AapiError(INSUFFICIENT_INFORMATION, "UploadDetails needs StatusEmailRecipients with at least one Email.",
                        details)
    clears = flag(details, "RemovePersonalInfoIfBlank")
    return ImportOptions(MODES[action], CLEAR if clears else KEEP, names, notify=recipients, known_interests=True)


def _texts(node: Node, holder: str, name: str) -> tuple[str, ...]:
    """The texts of the elements in a holder, each once."""
    found = only_child(node, holder)
    texts = [] if found is None else [content(each).strip() for each in children(found, name)]
    return tuple(dict.fromkeys(each for each in texts if each))


def _delimiter(details: Node) -> str:
    written = content(child(details, "ColumnDelimiter"))
    found = written.strip() or written[:1] or ","
    if len(found) != 1:
        raise AapiError(UNEXPECTED_INPUT, "ColumnDelimiter is one character.", child(details, "ColumnDelimiter"))
    return found


def _columns(node: Node) -> tuple[str, ...]:
    """What each column is, in the order of the file; one that is not defined is left out."""
    places: dict[int, str] = {}
    for each in definitions_of(node):
        at = number(each, "ColumnIndex")
        if at is None:
            raise AapiError(INSUFFICIENT_INFORMATION, "A FieldDefinition of BulkUpload needs ColumnIndex.", each)
        if not 1 <= at <= MAX_COLUMNS or at in places:
            raise AapiError(UNEXPECTED_INPUT, f"ColumnIndex is from 1 to {MAX_COLUMNS}, and another in each "
                                              "FieldDefinition.", each)
        target = _target(each)
        if target in places.values():
            raise AapiError(UNEXPECTED_INPUT, f"Two FieldDefinitions are {required(each, 'Name')}.", each)
        places[at] = target
    if EMAIL not in places.values():
        raise AapiError(INSUFFICIENT_INFORMATION, "FieldDefinitions needs one of FieldType Email.", node)
    return _in_order(places)


def _in_order(places: dict[int, str]) -> tuple[str, ...]:
    return tuple(places.get(at, "") for at in range(1, max(places) + 1))


def _target(node: Node) -> str:
    """What the column of a FieldDefinition is; without a FieldType, Email and Interest are known by their name."""
    name, kind = required(node, "Name"), text(node, "FieldType").lower()
    if kind and kind not in _TYPES:
        raise AapiError(UNEXPECTED_INPUT, "FieldType is PersonalInfo, Email, ID, Source, NewsFormat or Demographic.",
                        node)
    if kind == ADDRESS or (not kind and name.lower() == ADDRESS):
        return EMAIL
    if kind == IDENTIFIER or (not kind and name.lower() == IDENTIFIER):
        return REMOTE_ID
    if kind in ("", PERSONAL) and name.lower() == INTEREST:
        return INTERESTS
    return field_column(name)


