"""Saved column mappings as they are asked for and told (PUSH-61)."""

from __future__ import annotations

from gateway.push.schemas.kinds import Either, Instant, Many, Named, Text, Texts, Thing

_COLUMNS = Either((Named(Text(), "column of the file -> what it is"), Texts("what each column is, in its order")),
                  "What a column is: email, remoteId, interests, doNotEmail, a field's name, or an empty text for one "
                  "that is left out.")

MAPPING_DRAFT = Thing("MappingDraft", {"columns": _COLUMNS})
MAPPING = Thing("Mapping", {"name": Text(), "columns": _COLUMNS, "changedAt": Instant()}, {},
                "What the columns of a sender's files mean, saved under a name.")
MAPPINGS = Thing("Mappings", {"items": Many(MAPPING)})
DELETED = Thing("MappingDeleted", {"name": Text()})
