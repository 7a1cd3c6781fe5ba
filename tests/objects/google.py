"""Google Cloud Storage as its documents describe it, https://cloud.google.com/storage/docs/xml-api: what obstore asks of it.

`gcp-storage-emulator` answers the JSON API only, and obstore uses the XML API.
"""

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.buckets import served_by

BUCKET: Final = "calls"
_DATE: Final = "Fri, 20 Nov 2026 12:00:00 GMT"


@dataclass(slots=True)
class Google:
    """One bucket. `refuses`: status and code of the answer to every request."""

    url: str = ""
    objects: dict[str, tuple[bytes, int]] = field(default_factory=dict)  # name -> bytes and generation
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    generation: int = 1_700_000_000_000_000
    refuses: tuple[int, str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, name: str, data: bytes, only_if: str | None) -> int | None:
        """The new generation; None: the condition does not hold."""
        with self.lock:
            before = self.objects[name][1] if name in self.objects else 0
            if only_if is not None and int(only_if) != before:
                return None
            self.generation += 1
            self.objects[name] = data, self.generation
            return self.generation


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


@contextlib.contextmanager
def google() -> Iterator[Google]:
    served = Google()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = urlsplit(self.path)
            bucket, _, name = unquote(parts.path).lstrip("/").partition("/")
            query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
            if served.refuses:
                return self._error(*served.refuses)
            if bucket != BUCKET:
                return self._error(404, "NoSuchBucket")
            if "list-type" in query:
                return self._list(query.get("prefix", ""))
            if self.command in ("PUT", "POST"):
                return self._write(name, body, query)
            if name not in served.objects:
                return self._error(404, "NoSuchKey")
            if self.command == "DELETE":
                del served.objects[name]
                return self._answer(204, b"", {})
            return self._read(*served.objects[name])

        def _write(self, name: str, body: bytes, query: dict[str, str]) -> None:
            if "uploads" in query:
                upload = f"upload-{len(served.uploads)}"
                served.uploads[upload] = {}
                xml = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
                return self._answer(200, xml.encode(), {})
            if "partNumber" in query:
                served.uploads[query["uploadId"]][int(query["partNumber"])] = body
                return self._answer(200, b"", {"ETag": _etag(body)})
            if "uploadId" in query:
                pieces = served.uploads.pop(query["uploadId"])
                body = b"".join(pieces[number] for number in sorted(pieces))
            generation = served.put(name, body, self.headers.get("x-goog-if-generation-match"))
            if generation is None:
                return self._error(412, "PreconditionFailed")
            told = {"ETag": _etag(body), "x-goog-generation": str(generation)}
            xml = f"<CompleteMultipartUploadResult><ETag>{_etag(body)}</ETag></CompleteMultipartUploadResult>"
            return self._answer(200, xml.encode() if self.command == "POST" else b"", told)

        def _read(self, data: bytes, generation: int) -> None:
            checksum = base64.b64encode(hashlib.md5(data).digest()).decode()
            headers = {"ETag": _etag(data), "Last-Modified": _DATE, "x-goog-generation": str(generation)}
            if self.headers.get("If-None-Match") == _etag(data):
                return self._answer(304, b"", headers)
            if given := self.headers.get("Range"):
                first, _, last = given.removeprefix("bytes=").partition("-")
                part = data[int(first) : int(last) + 1 if last else None]
                headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
                return self._answer(206, part, headers)
            return self._answer(200, data, headers | {"x-goog-hash": f"md5={checksum}"})

        def _list(self, prefix: str) -> None:
            found = "".join(
                f"<Contents><Key>{escape(name)}</Key><Generation>{generation}</Generation><LastModified>2026-11-20T12:00:00Z"
                f"</LastModified><ETag>{escape(_etag(data))}</ETag><Size>{len(data)}</Size></Contents>"
                for name, (data, generation) in sorted(served.objects.items())
                if name.startswith(prefix)
            )
            self._answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode(), {})

        def _error(self, status: int, code: str) -> None:
            self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), {})

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer_any

        def log_message(self, *parts: Any) -> None:
            pass

    with served_by(Handler) as served.url:
        yield served


def environment(served: Google) -> dict[str, str]:
    """Requests go to this server, without a question for a token."""
    account = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    return {"GOOGLE_BASE_URL": served.url, "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account)}
