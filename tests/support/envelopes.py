"""Which requests were recorded from real clients, and what are they? (``tests/data/envelopes``)"""

from __future__ import annotations

from pathlib import Path

from tests.support.recorder import Request

FOLDER = Path(__file__).parents[1] / "data" / "envelopes"
DOCUMENTS = (b"Surprise", b"Subscribe", b"GridRequest")


def kind_of(request: Request) -> str:
    """The operation; of the document API's one operation the word that tells its documents apart."""
    if request.operation != "PostInformzMessage":
        return request.operation
    return next(word for word in DOCUMENTS if word in request.body).decode()


def recorded(door: str) -> dict[str, dict[str, bytes]]:
    """Client -> kind -> the request as it was recorded."""
    return {folder.name: {path.stem: path.read_bytes() for path in sorted(folder.glob("*.http"))}
            for folder in sorted((FOLDER / door).iterdir()) if folder.is_dir()}
