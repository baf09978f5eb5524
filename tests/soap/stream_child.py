"""A process that takes one StartImport: ``python -m tests.soap.stream_child DATABASE_URL DATA_DIR MEMBER MIB``.

Prints the HTTP status, the bytes of the message and how many more bytes of memory were resident at the worst moment.
The message is made while it is read, as a server hands on a body that lies in a file.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from tests.soap.door import TYPES, Door, credentials

RECORD = ("<record><remoteId>K-{0}</remoteId><email>person{0}@example.org</email><field><name>FirstName</name>"
          "<value>Anna {0}</value></field><field><name>Street</name><value>A street with a long name {0}</value>"
          "</field><addInterest>News</addInterest></record>")
FORMATS = {"record": "Records", "text": "Csv", "base64": "Csv"}


def piece(member, number):
    """One piece of the data, of some 100 KiB or 3 MiB."""
    if member == "record":
        return "".join(RECORD.format(number * 400 + i) for i in range(400)).encode()
    text = "".join(f"K-{i},person{i}@example.org\n" for i in range(number * 60_000, (number + 1) * 60_000)).encode()
    inner = text if member == "text" else base64.b64encode(text)
    return b"<%s>%s</%s>" % (member.encode(), inner, member.encode())


class Message:
    """The body of the request: an input of WSGI."""

    def __init__(self, head, member, size):
        self.rest, self.member, self.size = head + piece(member, 0), member, size
        self.read_bytes, self.number = 0, 1

    def read(self, size):
        """At most ``size`` bytes."""
        while len(self.rest) < size and self.read_bytes + len(self.rest) < self.size:
            self.rest += piece(self.member, self.number)
            self.number += 1
        if not self.rest and self.size:
            self.rest, self.size = b"</StartImport></s:Body></s:Envelope>", 0
        block, self.rest = self.rest[:size], self.rest[size:]
        self.read_bytes += len(block)
        return block


def memory(name):
    """A figure of this process in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def main(url, data_dir, member, mib):
    """One small call to warm up, then the large one."""
    door = Door(url, data_dir=Path(data_dir))
    head = ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:g="urn:gateway:v1"><s:Header>'
            f"{credentials(**door.user('sender'))}</s:Header><s:Body><StartImport xmlns=\"urn:gateway:v1\">"
            f"<mode>Add</mode><format>{FORMATS[member]}</format>").encode()
    for size in (1, int(mib) * 1024 ** 2):
        message = Message(head, member, size)
        seen = []
        before = memory("VmRSS")
        answer = door.app({"REQUEST_METHOD": "POST", "CONTENT_TYPE": TYPES["1.1"], "wsgi.input": message},
                          lambda status, headers, seen=seen: seen.append(status))
        assert b"<jobId>" in b"".join(answer), answer
    print(seen[0], message.read_bytes, memory("VmHWM") - before)
    door.world.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
