"""What may a record say, as a program that sends records asks? (SOAP-38)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """One member or field of a record. ``kind``: text, date, boolean, html, json. ``label``: for people (ID-3).

    ``source``: whose it is, ``integration:NAME`` or ``local``. ``storage``: ``stored``, or ``live`` when a foreign
    system is asked for it each time. ``pick_list``: the words it takes; empty for any.
    """

    name: str
    label: str
    kind: str
    max_length: int
    required: bool
    source: str
    editable: bool = True
    storage: str = "stored"
    pick_list: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What the records of one integration may hold. ``limits``: name -> number. ``unknown_field``: warn, fail, create.
    """

    integration: str
    fields: tuple[FieldDescription, ...]
    limits: Mapping[str, int]
    unknown_field: str
