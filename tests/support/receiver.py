"""What does a system that takes webhooks look like? A real server that checks signatures by itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Takes posts on a free port; ``answers`` are statuses for the next ones, then 204. ``hold``: answers nothing.
    ``says``: the body of its answers, of this ``encoding``.

    ``secrets``: those it knows; a post that none of them signed is answered 401. ``seen``: bodies of those accepted,
    ``headers`` of all.
    """

    def __init__(self, *secrets: str) -> None:
        self.secrets = list(secrets)
        self.answers: list[int] = []
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.location: str | None = None
        self.hold = threading.Event()
        self.holding = threading.Event()
        self.held = False
        self.says, self.encoding = b"", ""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(status)
                if receiver.location is not None:
                    self.send_header("Location", receiver.location)
                if receiver.encoding:
                    self.send_header("Content-Encoding", receiver.encoding)
                self.send_header("Content-Length", str(len(receiver.says)))
                self.end_headers()
                with suppress(OSError):  # whoever does not want all of it
                    self.wfile.write(receiver.says)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/writebacks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """What it answers to a post."""
        self.headers.append(headers)
        if self.held:
            self.holding.set()
            self.hold.wait(30)
        if self.answers:
            return self.answers.pop(0)
        if not any(verified(secret, headers, body) for secret in self.secrets):
            return 401
        self.seen.append(json.loads(body))
        return 204


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether one of the signatures is by this secret, as the Standard Webhooks specification says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(each, f"v1,{expected}") for each in headers["webhook-signature"].split(" "))
