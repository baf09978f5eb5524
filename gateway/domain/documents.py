"""How is a small structure kept as text, so that equal content is equal text? (ID-36, ID-72)"""

from __future__ import annotations

import json
from typing import Any

_encoder = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def as_text(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no blanks, characters as they are."""
    return _encoder.encode(value)
