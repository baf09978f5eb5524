"""What do requests of many client families look like, and what exactly do we answer? (SOAP-87)

The requests in ``golden/`` are written as the named generators write them; they run in the order of their names on one
fresh door. ``python -m tests.soap.test_golden`` writes the answers anew: look at the difference.
"""

import re
import tempfile
from pathlib import Path

from gateway.domain.accounts import system_actor
from gateway.domain.writeback import PULLED
from gateway.services import integrations
from tests.soap.door import Door, check_answer

FOLDER = Path(__file__).parent / "golden"
REQUEST_ID = re.compile(rb"(requestId>)r-[0-9a-f]+(<)")


def answers(url, data_dir):
    """File name of the answer -> status line and body, with the request id masked."""
    door = Door(url, data_dir=data_dir)
    door.user("sender")
    door.user("admin")
    with door.gateway.unit(system_actor(1)) as unit:  # a system that fetches its writebacks
        integrations.set_pulls(unit, integrations.add(unit, "crm", "api"), PULLED)
    found = {}
    for path in sorted(FOLDER.glob("*.request.xml")):
        answer = door.send(path.read_bytes(), version="1.2" if "-1.2." in path.name else "1.1")
        if answer.status_code == 200:
            check_answer(answer.data)
        body = REQUEST_ID.sub(rb"\1r-0\2", answer.data)
        found[path.name.replace("request", "answer")] = f"<!-- {answer.status_code} -->\n".encode() + body + b"\n"
        door.world.clock.advance(seconds=1)
    door.world.close()
    return found


def test_answers_are_the_golden_ones(sqlite_url, tmp_path):
    """SOAP-87."""
    found = answers(sqlite_url, tmp_path)
    assert sorted(found) == sorted(path.name for path in FOLDER.glob("*.answer.xml"))
    for name, content in found.items():
        assert content.decode() == (FOLDER / name).read_text(encoding="utf-8"), name


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for name, content in answers(f"sqlite:///{folder}/gateway.db", Path(folder)).items():
            (FOLDER / name).write_bytes(content)
