"""Logs calls to heliograph after the fact: no proxy in the way of the program, no delay, no exception.

    # curl -O http://127.0.0.1:8787/heliograph_client.py     (needs nothing but Python 3.9)
    from heliograph_client import HeliconeAsyncLogger

    logger = HeliconeAsyncLogger(api_key="sk-helicone-xxxx")
    logger.init()
    call_id = logger.log(response, user_id="user-123", properties={"feature": "chat"})

`log` hands over to a thread and returns the call's id at once; it may be called from asyncio as well, and `await
logger.alog(...)` is the same. What cannot be delivered is counted in `logger.lost` and said once on stderr.
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

DEFAULT_URL = "http://127.0.0.1:8787"
MOST_WAITING = 10_000  # logs; a program that is faster than its log loses the rest
DELIVER_S = 10.0  # one delivery
LAST_S = 5.0  # of the program's exit

_PLACES = {
    "chat": ("/oai/v1/log", "https://api.openai.com/v1/chat/completions"),
    "text": ("/oai/v1/log", "https://api.openai.com/v1/completions"),
    "responses": ("/oai/v1/log", "https://api.openai.com/v1/responses"),
    "embeddings": ("/oai/v1/log", "https://api.openai.com/v1/embeddings"),
    "message": ("/anthropic/v1/log", "https://api.anthropic.com/v1/messages"),
    "other": ("/custom/v1/log", "custom-model-nopath"),
}
_KINDS = {"chat.completion": "chat", "text_completion": "text", "response": "responses"}
# heliograph is on this machine, or where the user says: never behind the proxy that a shell may have set.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class HeliconeAsyncLogger:
    """`base_url`: where heliograph listens; default $HELIOGRAPH_URL, else http://127.0.0.1:8787. A path is left out."""

    def __init__(self, api_key: str = "", base_url: str | None = None, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(base_url or os.environ.get("HELIOGRAPH_URL") or DEFAULT_URL)
        self.lost = 0
        self._url = f"{parts.scheme}://{parts.netloc}"
        self._headers = {**(headers or {}), "Content-Type": "application/json", "Authorization": f"Bearer {api_key}"}
        self._waiting: queue.Queue[tuple[str, bytes]] = queue.Queue(MOST_WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._warned = self._ready = False

    def init(self) -> None:
        """Delivers what is left when the program ends."""
        if not self._ready:
            self._ready = True
            atexit.register(self.flush)

    def log(
        self,
        response: Any,
        *,
        user_id: str | None = None,
        session_id: str | None = None,
        session_path: str | None = None,
        session_name: str | None = None,
        properties: dict[str, Any] | None = None,
        request: Any = None,
        start_time: float | datetime | None = None,
        end_time: float | datetime | None = None,
        request_id: str | None = None,
    ) -> str:
        """Logs an answer of an SDK, a dict, a text or an exception. Times are epoch seconds or datetimes. Returns the
        call's id, for feedback."""
        call_id = request_id or str(uuid.uuid4())
        try:
            named = {
                "Request-Id": call_id,
                "User-Id": user_id,
                "Session-Id": session_id,
                "Session-Path": session_path,
                "Session-Name": session_name,
                **{f"Property-{name}": value for name, value in (properties or {}).items()},
            }
            meta = {f"Helicone-{name}": str(value) for name, value in named.items() if value is not None}
            path, body = _described(response, request, meta, start_time, end_time)
            self._add(path, json.dumps(body, default=_plain).encode())
        except Exception as error:  # whatever an answer is, it must not cost the program anything
            self._lose(f"a log was not made: {type(error).__name__}: {error}")
        return call_id

    async def alog(self, response: Any, **options: Any) -> str:
        """`log`, for programs that await it."""
        return self.log(response, **options)

    def feedback(self, call_id: str, rating: bool) -> None:
        """Rates a logged call: True is good."""
        self._add(f"/v1/request/{quote(call_id)}/feedback", json.dumps({"rating": rating}).encode())

    def score(self, call_id: str, **scores: float) -> None:
        """Gives a logged call numbers: `score(id, accuracy=0.8)`."""
        self._add(f"/v1/request/{quote(call_id)}/score", json.dumps({"scores": scores}).encode())

    def flush(self, within_s: float = LAST_S) -> None:
        """Waits until all is delivered, at most so long."""
        end = time.monotonic() + within_s
        while self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)

    def _add(self, path: str, body: bytes) -> None:
        try:
            self._waiting.put_nowait((path, body))
        except queue.Full:
            self._lose("too many logs wait")
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():  # also after a fork
                self._thread = threading.Thread(target=self._deliver_all, name="heliograph-log", daemon=True)
                self._thread.start()

    def _deliver_all(self) -> None:
        while True:
            path, body = self._waiting.get()
            try:
                self._deliver(path, body)
            finally:
                self._waiting.task_done()

    def _deliver(self, path: str, body: bytes) -> None:
        request = urllib.request.Request(self._url + path, data=body, headers=self._headers, method="POST")
        try:
            with _OPENER.open(request, timeout=DELIVER_S):
                pass
        except urllib.error.HTTPError as error:
            with error:
                self._lose(f"{path}: HTTP {error.code} {error.read(200).decode('utf-8', 'replace')}")
        except Exception as error:
            self._lose(f"{self._url} did not take a log: {error}")

    def _lose(self, why: str) -> None:
        self.lost += 1
        if not self._warned:
            self._warned = True
            print(f"heliograph: {why}", file=sys.stderr)


def _described(response: Any, request: Any, meta: dict[str, str], start: Any, end: Any) -> tuple[str, dict[str, Any]]:
    """The endpoint for a response, and Helicone's log of it."""
    failed = isinstance(response, BaseException)
    answer = {"error": {"type": type(response).__name__, "message": str(response)}} if failed else _plain(response)
    path, url = _PLACES[_kind_of(answer)]
    model = answer.get("model") if isinstance(answer, dict) else None
    told: dict[str, Any] = {"json": answer if isinstance(answer, (dict, list)) else {}, "headers": {}}
    told["status"] = getattr(response, "status_code", 500) if failed else 200
    if isinstance(answer, str):
        told["textBody"] = answer
    sent = _plain(request) if request is not None else {"model": model} if model else {}
    log: dict[str, Any] = {
        "providerRequest": {"url": url, "json": sent if isinstance(sent, dict) else {"input": sent}, "meta": meta},
        "providerResponse": told,
    }
    began = _epoch_s(start)
    if began is not None:
        ended = _epoch_s(end)
        ended = time.time() if ended is None else ended
        log["timing"] = {"startTime": _parts(began), "endTime": _parts(max(began, ended))}
    return path, log


def _kind_of(answer: Any) -> str:
    if not isinstance(answer, dict):
        return "other"
    if answer.get("type") == "message" and isinstance(answer.get("content"), list):
        return "message"
    data = answer.get("data")
    if answer.get("object") == "list" and isinstance(data, list) and data and isinstance(data[0], dict):
        return "embeddings" if data[0].get("object") == "embedding" else "other"
    return _KINDS.get(str(answer.get("object")), "other")


def _plain(value: Any) -> Any:
    """What an SDK's object, a dataclass or anything else is in JSON."""
    for name in ("model_dump", "to_dict", "dict"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            return method(mode="json") if name == "model_dump" else method()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if value is None or isinstance(value, (str, int, float, bool, dict, list, tuple)):
        return value
    return str(value)


def _epoch_s(moment: Any) -> float | None:
    if isinstance(moment, datetime):
        return moment.timestamp()
    return float(moment) if isinstance(moment, (int, float)) and moment >= 0 else None


def _parts(epoch_s: float) -> dict[str, int]:
    milliseconds = round(epoch_s * 1000)
    return {"seconds": milliseconds // 1000, "milliseconds": milliseconds % 1000}
