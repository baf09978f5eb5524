"""Bulk imports: any number of records, or a file, sent as one stream and worked on in the background."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lxml import etree

from gateway_client import convert
from gateway_client.connection import Connection
from gateway_client.errors import translated
from gateway_client.models import FailedRow, Job, Record

FORMATS = {".csv": "Csv", ".tsv": "Tsv", ".tab": "Tsv", ".ndjson": "Ndjson", ".jsonl": "Ndjson", ".json": "Json",
           ".xml": "Xml"}
PIECE_BYTES = 1536 * 1024
"""A multiple of three: only the last piece of base64 is padded."""

PATIENCE_S = 900.0
"""A gigabyte is read to its end before the answer comes."""

_END = re.compile(rb"</(?:[\w.-]+:)?StartImport>")


class Jobs(Connection):
    """The calls of bulk imports."""

    def start_import(self, records: Iterable[Record], *, interests: Sequence[str] = (), mode: str = "AddOrUpdate",
                     source: str | None = None, dry_run: bool = False, notify: Sequence[str] = (),
                     key: str | None = None) -> Job:
        """Sends any number of records in one call, in flat memory on both sides; the job is ``queued`` then.

        A call that breaks off stores nothing. ``notify``: addresses that get a mail at the end. ``key`` makes a
        repetition harmless: the same records under it answer the same job.
        """
        options = _options(interests, mode, source, dry_run, notify, key)
        return self._start({**options, "format": "Records"}, (
            etree.tostring(convert.record_element(record)) for record in records))

    def start_file_import(self, path: Path | str, *, interests: Sequence[str] = (), mode: str = "AddOrUpdate",
                          source: str | None = None, dry_run: bool = False, notify: Sequence[str] = (),
                          key: str | None = None, charset: str | None = None, delimiter: str | None = None,
                          columns: Sequence[str] = (), mapping: str | None = None) -> Job:
        """Sends a file as it is; its name tells the format (csv, tsv, ndjson, json, xml, each also with .gz).

        Raises ``ValueError`` for another name. The other options are those of :meth:`start_import` and of tables.
        """
        path = Path(path)
        suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
        packed = suffixes[-1:] == [".gz"]
        file_format = FORMATS.get("".join(suffixes[:-1] if packed else suffixes[-1:]))
        if file_format is None:
            raise ValueError(f"{path}: the name ends with none of {', '.join(FORMATS)} (and .gz)")
        options = _options(interests, mode, source, dry_run, notify, key)
        options.update(format=file_format, compression="Gzip" if packed else None, charset=charset,
                       column=list(columns) or None, mapping=mapping, delimiter=delimiter)
        with path.open("rb") as file:
            return self._start(options, (
                b'<base64 xmlns="urn:gateway:v1">' + base64.b64encode(piece) + b"</base64>"
                for piece in iter(lambda: file.read(PIECE_BYTES), b"")))

    def get_import(self, job_id: str) -> Job:
        """How far a bulk import is, or how it ended."""
        return convert.job(self._call("GetImport", jobId=job_id))

    def wait_for_import(self, job_id: str, *, timeout_s: float = 3600.0, every_s: float = 1.0) -> Job:
        """The job when it has ended, or is held; raises ``TimeoutError``."""
        deadline = time.monotonic() + timeout_s
        while not (job := self.get_import(job_id)).ended:
            if time.monotonic() > deadline:
                raise TimeoutError(f"import {job_id} is {job.state} after {timeout_s:g} s")
            time.sleep(every_s)
        return job

    def find_import_errors(self, job_id: str) -> Iterator[FailedRow]:
        """The records of a bulk import that were refused."""
        return map(convert.failed_row, self._pages("GetImportErrors", jobId=job_id))

    def cancel_import(self, job_id: str) -> Job:
        """Ends a bulk import; what is stored stays."""
        return convert.job(self._call("CancelImport", jobId=job_id))

    def _start(self, options: dict[str, Any], data: Iterable[bytes]) -> Job:
        """zeep makes the envelope without data; we send it with the data before its end."""
        members = {name: value for name, value in options.items() if value is not None}
        with translated():
            binding = self._service._binding
            operation = binding.get("StartImport")
            envelope, headers = binding._create(operation.name, (), {**members, "_soapheaders": self._header},
                                                client=self._client, options=self._service._binding_options)
            text = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
            end = _END.search(text).start()
            transport = self._client.transport
            with transport.settings(timeout=max(transport.operation_timeout, PATIENCE_S)):
                response = transport.post(self._service._binding_options["address"],
                                          _blocks(text[:end], data, text[end:]), headers)
            return convert.job(binding.process_reply(self._client, operation, response))


def _options(interests: Sequence[str], mode: str, source: str | None, dry_run: bool, notify: Sequence[str],
             key: str | None) -> dict[str, Any]:
    return {"clientRequestId": key, "mode": mode, "interest": list(interests) or None, "dryRun": dry_run or None,
            "source": source, "notify": list(notify) or None}


def _blocks(start: bytes, data: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    """The message in blocks that are worth sending."""
    block = [start]
    size = len(start)
    for piece in data:
        block.append(piece)
        size += len(piece)
        if size >= 64 * 1024:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join([*block, end])
