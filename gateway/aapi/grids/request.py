"""How is a ``<Grid>`` read, and its answer written? (aapi.md section 7)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.aapi.answers import attribute
from gateway.aapi.faults import (
    INSUFFICIENT_INFORMATION,
    INVALID_DATA_FORMAT,
    INVALID_GRID_CATEGORY,
    UNEXPECTED_INPUT,
    AapiError,
)
from gateway.aapi.grids import catalogue
from gateway.aapi.grids.rules import RULES
from gateway.aapi.grids.values import read_value, write_value
from gateway.aapi.nodes import Node, child, children, content, local, number, text
from gateway.aapi.payload import MAX_BYTES
from gateway.domain.grids import COUNT, MAX_ROWS, Element, GridAnswer, GridQuery, Operator, Shape, Sort, Test, fold
from gateway.services import grids
from gateway.services.gateway import Unit

MOST_FIELDS, MOST_CONDITIONS, MOST_VALUES = 500, 100, 10_000
"""Of a grid: what nobody needs more of, and databases do not take; values are those of all its conditions."""

_COMPARATORS = {"EQ": Operator.EQ, "NEQ": Operator.NEQ, "NE": Operator.NEQ, "GT": Operator.GT, "GTE": Operator.GTE,
                "LT": Operator.LT, "LTE": Operator.LTE}
_SETS = {"EQ": Operator.EQ, "IN": Operator.EQ, "NEQ": Operator.NEQ, "NOTIN": Operator.NEQ}


def answer_grid(unit: Unit, node: Node, room: int = MAX_BYTES) -> str:
    """The written answer to one ``<Grid>``, of at most ``room`` characters. Reads only.

    Raises :class:`AapiError` for what cannot be read, and what :func:`gateway.services.grids.answer` raises.
    """
    token = node.get("type") or ""
    shape = catalogue.find(token)
    if shape is None:
        raise AapiError(INVALID_GRID_CATEGORY, f"There is no grid '{token[:60]}'.", node)
    spelled = _fields(node)
    query = _query(shape, spelled, node)
    return _written(token, query, spelled, [shape.find(name) for name in spelled], grids.answer(unit, query),
                    room)


# --- reading ---------------------------------------------------------------------------------------------------------


def _query(shape: Shape, spelled: Sequence[str], node: Node) -> GridQuery:
    found = [element for name in spelled if (element := shape.find(name)) is not None]
    tests = tuple(_tests(shape, node))
    rule = RULES.get(fold(shape.token))
    if rule is not None:
        tests = tuple(rule(tests, node))
    start = number(node, "StartRow")
    return GridQuery(
        fold(shape.token), tuple(dict.fromkeys(fold(element.name) for element in found)),
        tuple((name, shape.elements[name].kind) for name in shape.key), tests, _sort(shape, node),
        _start(start, node), _size(node))


def _fields(node: Node) -> list[str]:
    wanted = child(node, "ReturnFields")
    spelled = [] if wanted is None else [_name(each) for each in children(wanted)]
    if not any(spelled):
        raise AapiError(INSUFFICIENT_INFORMATION, "Grid needs ReturnFields with at least one DataElement.", node)
    if len(spelled) > MOST_FIELDS:
        raise AapiError(UNEXPECTED_INPUT, f"ReturnFields takes at most {MOST_FIELDS} DataElement.", wanted)
    return [name for name in spelled if name]


def _name(node: Node) -> str:
    """What ``<DataElement>name</DataElement>`` says; ``<Count />`` stands for itself."""
    if local(node) == "DataElement":
        return content(node).strip()
    if fold(local(node)) == COUNT:
        return local(node)
    raise AapiError(UNEXPECTED_INPUT, f"ReturnFields takes DataElement, not {local(node)}.", node)


def _tests(shape: Shape, node: Node) -> list[Test]:
    found = [condition for conditions in children(node, "Conditions") for condition in children(conditions)]
    if len(found) > MOST_CONDITIONS:
        raise AapiError(UNEXPECTED_INPUT, f"A grid takes at most {MOST_CONDITIONS} Condition.", found[MOST_CONDITIONS])
    tests = [_test(shape, condition) for condition in found]
    if sum(len(test.values) for test in tests) > MOST_VALUES:
        raise AapiError(UNEXPECTED_INPUT, f"The conditions of a grid take at most {MOST_VALUES} DataValue.", node)
    return tests


def _test(shape: Shape, condition: Node) -> Test:
    found = list(children(condition))
    if local(condition) != "Condition" or len(found) != 1:
        raise AapiError(UNEXPECTED_INPUT, "Conditions takes Condition, and each holds one Single, Collection or "
                                          "Between.", condition)
    test = found[0]
    for name in ("DataElement", "Comparator", "SetOperator"):
        if len(list(children(test, name))) > 1:
            raise AapiError(UNEXPECTED_INPUT, f"{local(test)} takes one {name}; a Condition holds one test.", test)
    element = _known(shape, text(test, "DataElement"), test)
    if fold(element.name) == COUNT:
        raise AapiError(UNEXPECTED_INPUT, "Count cannot be used in a condition.", test)
    operator = _operator(test)
    written = [content(each) for each in children(test, "DataValue")]
    if not written:
        raise AapiError(INSUFFICIENT_INFORMATION, f"The condition on {element.name} has no DataValue.", test)
    most = {"Single": 1, "Between": 2}.get(local(test))
    if most is not None and len(written) != most:
        raise AapiError(UNEXPECTED_INPUT, f"{local(test)} takes {most} DataValue.", test)
    values = tuple(read_value(element, operator, each, test) for each in written)
    return Test(fold(element.name), element.kind, operator, values)


def _operator(test: Node) -> Operator:
    kind = local(test)
    if kind == "Between":
        return Operator.BETWEEN
    if kind == "Single":
        written, known, node = text(test, "Comparator"), _COMPARATORS, "Comparator"
    elif kind == "Collection":
        written, known, node = text(test, "SetOperator"), _SETS, "SetOperator"
    else:
        raise AapiError(UNEXPECTED_INPUT, f"A Condition takes Single, Collection or Between, not {kind}.", test)
    if not written:
        raise AapiError(INSUFFICIENT_INFORMATION, f"{kind} needs {node}, which is missing or empty.", test)
    operator = known.get("".join(written.upper().split()))
    if operator is None:
        raise AapiError(UNEXPECTED_INPUT, f"{node} takes {', '.join(known)}.", test)
    return operator


def _known(shape: Shape, name: str, node: Node) -> Element:
    if not name:
        raise AapiError(INSUFFICIENT_INFORMATION, f"{local(node)} needs DataElement, which is missing or empty.", node)
    element = shape.find(name)
    if element is None:
        raise AapiError(UNEXPECTED_INPUT, f"The grid {shape.token} has no element '{name[:60]}'.", node)
    return element


def _sort(shape: Shape, node: Node) -> Sort | None:
    written = child(node, "SortField")
    name = "" if written is None else (text(written, "DataElement") or content(written).strip())
    if written is None or not name:
        return None
    order = (written.get("order") or "asc").strip().lower()
    if order not in ("asc", "desc"):
        raise AapiError(UNEXPECTED_INPUT, "The order of SortField is asc or desc.", written)
    element = _known(shape, name, written)
    return None if fold(element.name) == COUNT else Sort(fold(element.name), element.kind, order == "desc")


def _start(start: int | None, node: Node) -> int:
    if start is not None and start < 0:
        raise AapiError(INVALID_DATA_FORMAT, "StartRow takes a whole number from 0 on.", child(node, "StartRow"))
    return max(start or 1, 1)


def _size(node: Node) -> int:
    size = number(node, "NumberOfRows")
    if size is not None and size < 1:
        raise AapiError(INVALID_DATA_FORMAT, "NumberOfRows takes a whole number from 1 on.",
                        child(node, "NumberOfRows"))
    return min(size or MAX_ROWS, MAX_ROWS)


# --- writing ---------------------------------------------------------------------------------------------------------


def _written(token: str, query: GridQuery, spelled: Sequence[str], elements: Sequence[Element | None],
             answer: GridAnswer, room: int) -> str:
    opened = f'<Grid type="{attribute(token)}"'
    if query.only_count:
        counted = _counted(elements, spelled, answer.total or 0)
        return f'{opened}><Record row="0"><Fields>{counted}</Fields></Record></Grid>'
    if not answer.rows:
        return f"{opened} />"
    places = {name: place for place, name in enumerate(query.elements)}
    fields = [(f'<Field element="{attribute(name)}"', None if element is None else places[fold(element.name)])
              for name, element in zip(spelled, elements, strict=True)]
    records = []
    for at, row in enumerate(answer.rows):
        records.append(_record(query.start + at, fields, row))
        room -= len(records[-1])
        if room < 0:
            raise AapiError(UNEXPECTED_INPUT, "The answer is too long. Ask for fewer grids in a document, or fewer "
                                              "elements or rows of a grid.")
    return f"{opened}>{''.join(records)}</Grid>"


def _counted(elements: Sequence[Element | None], spelled: Sequence[str], total: int) -> str:
    """The vendor writes ``count`` whatever was asked; elements that the grid lacks stay beside it."""
    return "".join(f'<Field element="{attribute(name)}" />' if element is None
                   else f'<Field element="{COUNT}">{total}</Field>'
                   for name, element in zip(spelled, elements, strict=True))


def _record(ordinal: int, fields: Sequence[tuple[str, int | None]], row: Sequence[Any]) -> str:
    written = "".join([
        f"{opened}>{value}</Field>" if place is not None and (value := write_value(row[place])) else f"{opened} />"
        for opened, place in fields])
    return f'<Record row="{ordinal}"><Fields>{written}</Fields></Record>'
