"""How does the data of a bulk import become a file while it is still coming in? (SOAP-41, SOAP-81, SOAP-82)"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gateway.domain.upload import Spooled
from gateway.errors import GatewayError
from gateway.formats import inline
from gateway.services import spool
from gateway.soap.bulk import read_record
from gateway.soap.types.imports import RECORDS
from gateway.spynekit.stream import Stream

BLOCK_BYTES = 64 * 1024
BLANKS = re.compile(rb"[ \t\r\n]+")
NOT_BASE64 = "expected base64."
"""How the schema's refusal ends."""

RECORD, TEXT, BASE64 = "record", "text", "base64"


class Arriving:
    """The data of one call as blocks of a file: records as lines of their own format, texts and base64 joined."""

    def __init__(self, stream: Stream, file_format: str, packed: bool) -> None:
        self.stream = stream
        self.file_format = file_format
        self.packed = packed
        self.failed = False

    def store(self, folder: Path) -> Spooled:
        """The file, complete and on disk. Raises what is wrong with the request, its base64 or its gzip; then there is
        none, and so when the message breaks off or ends badly (SOAP-82)."""
        try:
            return spool.receive(folder, self._blocks(), gzip=self.packed)
        except GatewayError as error:
            if self.failed or error.code != "MALFORMED_REQUEST":
                raise
            raise GatewayError("INVALID_VALUE", "The file is not a complete gzip stream. Pack it again, or send it "
                                                "with compression None.", field=BASE64) from None

    def _blocks(self) -> Iterator[bytes]:
        try:
            block: list[bytes] = []
            size = 0
            for element in self.stream:
                if self.stream.count == 1:
                    convert = self._converter()
                piece = convert(element)
                block.append(piece)
                size += len(piece)
                if size >= BLOCK_BYTES:
                    yield b"".join(block)
                    block, size = [], 0
            if self.stream.member is None:
                raise GatewayError("INVALID_REQUEST", "There is no data; send record, text or base64.", field=RECORD)
            yield b"".join(block)
        except GatewayError as error:
            self.failed = True
            if error.message.endswith(NOT_BASE64):
                raise not_base64(error.field) from None
            raise

    def _converter(self) -> Callable[[Any], bytes]:
        """How an element of the member that came becomes bytes. Raises INVALID_REQUEST if it does not fit the options.
        """
        member = self.stream.member
        if (member == RECORD) != (self.file_format == RECORDS):
            wanted = RECORD if self.file_format == RECORDS else f"{TEXT} or {BASE64}"
            raise GatewayError("INVALID_REQUEST", f"The data of format {self.file_format} is {wanted}.", field="format")
        if self.packed and member != BASE64:
            raise GatewayError("INVALID_REQUEST", "Only base64 can be packed; leave compression out.",
                               field="compression")
        if member == RECORD:
            return lambda element: inline.write(read_record(element))
        if member == TEXT:
            return lambda element: (element.text or "").encode()
        return self._decoded

    def _decoded(self, element: Any) -> bytes:
        try:
            return base64.b64decode(BLANKS.sub(b"", (element.text or "").encode()), validate=True)
        except (binascii.Error, ValueError):
            raise not_base64(f"StartImport/{BASE64}[{self.stream.count}]") from None


def not_base64(place: str | None) -> GatewayError:
    """The error of SOAP-81, whoever saw it: the schema takes what has stray characters or a wrong end, but not all."""
    return GatewayError("INVALID_VALUE", f"{place} is not base64. Encode each piece by itself.", field=place)
