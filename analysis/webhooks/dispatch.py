"""The loop that delivers: looks for calls that ended, sends, tries again, and gives up into `DATA/webhooks-dead.jsonl`."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from addon.config.webhooks import Webhook
from addon.storage import dead_letters
from addon.storage.folders import Folders
from analysis.lake import Connection, Lake
from analysis.posting import post_json
from analysis.table import fetch
from analysis.webhooks.finished import FinishedCalls
from analysis.webhooks.message import SIGNATURE, is_wanted, message, signature, wait_s
from analysis.webhooks.queue import Delivery, Queue

LOOK_EVERY_S: Final = 1.0
AT_ONCE: Final = 8
_HERE: Final = Path(__file__).parent


class Dispatcher:
    """Delivers to the webhooks of the settings. Everything in the queue survives it."""

    def __init__(self, data: Path, webhooks: Sequence[Webhook], clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970. Raises ValueError where a secret is missing."""
        self._clock = clock
        self._lake = Lake(data, memory="512MiB")  # it runs beside the questions of callers
        self._folders = Folders(data)
        self._webhooks = {webhook.url: webhook for webhook in webhooks}
        self._keys = {webhook.url: webhook.signing_key(os.environ) for webhook in webhooks}
        self._queue = Queue(self._folders.webhooks)
        self._finished = FinishedCalls(self._lake, self._queue)

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                try:
                    await self.step(self._clock())
                except Exception as error:  # a full disk, a lake that is being moved: the queue waits
                    _say(f"webhooks: {type(error).__name__}: {error}; trying again")
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._queue.close()

    async def step(self, now: float) -> None:
        """Takes in what ended, and sends what is due."""
        await asyncio.to_thread(self._look, now)
        while due := self._queue.claim(now, AT_ONCE):
            calls = await asyncio.to_thread(self._calls, due)
            outcomes = await asyncio.gather(*(asyncio.to_thread(self._deliver, each, calls) for each in due))
            for delivery, failure in zip(due, outcomes, strict=True):
                self._settle(delivery, failure, calls)

    def _look(self, now: float) -> None:
        self._finished.take_in(now, self._wanted)

    def _wanted(self, call: Mapping[str, Any]) -> list[str]:
        return [webhook.url for webhook in self._webhooks.values() if is_wanted(webhook, call)]

    def _calls(self, due: Sequence[Delivery]) -> dict[tuple[str, int], Mapping[str, Any]]:
        since = datetime.fromtimestamp(min(each.started_at_us for each in due) / 1e6, UTC)
        values = {"ids": [each.request_id for each in due], "since": since}
        found = self._lake.ask(lambda connection: _records(connection, "call", values))
        return {(call["request_id"], call["started_at_us"]): call for call in found}

    def _deliver(self, delivery: Delivery, calls: Mapping[tuple[str, int], Mapping[str, Any]]) -> str | None:
        """Sends. What went wrong, or None."""
        webhook, call = self._webhooks.get(delivery.url), calls.get((delivery.request_id, delivery.started_at_us))
        if webhook is None or call is None:
            return None  # no longer in the settings, or no longer in the lake
        body = message(webhook, call)
        return post_json(webhook.url, body, {SIGNATURE: signature(self._keys[webhook.url], body)})

    def _settle(
        self, delivery: Delivery, failure: str | None, calls: Mapping[tuple[str, int], Mapping[str, Any]]
    ) -> None:
        if failure is None:
            self._queue.done(delivery)
            return
        pause_s = wait_s(delivery.failures + 1)
        if pause_s is None:
            webhook, call = self._webhooks[delivery.url], calls[delivery.request_id, delivery.started_at_us]
            self._bury(delivery, failure, message(webhook, call))
        self._queue.failed(delivery, None if pause_s is None else self._clock() + pause_s)

    def _bury(self, delivery: Delivery, failure: str, body: bytes) -> None:
        letter = {
            "at": datetime.now(UTC),
            "url": delivery.url,
            "request_id": delivery.request_id,
            "attempts": delivery.failures + 1,
            "error": failure,
            "message": orjson.Fragment(body),
        }
        dead_letters.append(self._folders.dead_letters, letter)
        _say(
            f"webhooks: {delivery.url} did not take call {delivery.request_id}: {failure}; see {self._folders.dead_letters}"
        )


def _records(connection: Connection, name: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    sql = (_HERE / f"{name}.sql").read_text(encoding="utf-8")
    return list(fetch(connection, sql, dict(values)).records())


def _say(text: str) -> None:
    print(f"heliograph: {text}", file=sys.stderr, flush=True)
