"""The loop that sends a span of each finished call. What is not sent yet is in `DATA/otlp.sqlite`, and survives a restart.

An endpoint that is away is tried again after 1, 2, 4, ... seconds, at most five minutes; MOST_WAITING calls wait for it.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from addon.config.otlp import Otlp
from addon.redaction.redactor import Redactor
from addon.storage.folders import Folders
from analysis.exports.otlp.read import spans_of
from analysis.exports.otlp.sending import Endpoint, Outcome
from analysis.lake import Lake
from analysis.webhooks.finished import FinishedCalls
from analysis.webhooks.queue import Delivery, Queue

LOOK_EVERY_S: Final = 1.0
AT_ONCE: Final = 200  # calls
AT_ONCE_WITH_BODIES: Final = 20
MOST_WAITING: Final = 100_000  # their ids, a hundred bytes each; older ones are given up
LONGEST_PAUSE_S: Final = 300.0


class OtlpSender:
    """Sends to the endpoint of the settings, until it is cancelled."""

    def __init__(
        self, data: Path, otlp: Otlp, redactor: Redactor | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` gives seconds since 1970. Raises ValueError where a variable of the headers is missing."""
        self._clock, self._bodies, self._redactor = clock, otlp.bodies, redactor
        self._endpoint = Endpoint(otlp.url, otlp.sent_headers(os.environ))
        self._lake = Lake(data, memory="512MiB")  # it runs beside the questions of callers
        self._queue = Queue(Folders(data).otlp)
        self._finished = FinishedCalls(self._lake, self._queue)
        self._failures = 0
        self._not_before = 0.0  # epoch seconds

    async def run(self) -> None:
        try:
            while True:
                try:
                    await self.step(self._clock())
                except Exception as error:  # a full disk, a lake that is being moved: the queue waits
                    _say(f"{type(error).__name__}: {error}; trying again")
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._queue.close()

    async def step(self, now: float) -> None:
        """Takes in what ended, and sends what is due."""
        await asyncio.to_thread(self._take_in, now)
        most = AT_ONCE_WITH_BODIES if self._bodies else AT_ONCE
        while now >= self._not_before and (due := self._queue.claim(now, most)):
            self._settle(due, await asyncio.to_thread(self._send, due), now)

    def _take_in(self, now: float) -> None:
        is_new = self._finished.take_in(now, lambda call: [self._endpoint.url])
        if is_new and (lost := self._queue.give_up_beyond(MOST_WAITING)):
            _say(
                f"{self._endpoint.url} takes no spans: {lost:,} older calls are given up; `heliograph export otlp` sends them"
            )

    def _send(self, due: Sequence[Delivery]) -> Outcome:
        # An endpoint that was named in earlier settings is owed nothing.
        calls = [(each.request_id, each.started_at_us) for each in due if each.url == self._endpoint.url]
        found = self._lake.ask(
            lambda connection: spans_of(connection, calls, bodies=self._bodies, redactor=self._redactor)
        )
        return self._endpoint.send(found)

    def _settle(self, due: Sequence[Delivery], outcome: Outcome, now: float) -> None:
        if outcome.try_again:
            self._failures += 1
            pause_s = outcome.wait_s or min(2.0 ** (self._failures - 1), LONGEST_PAUSE_S)
            self._queue.settle(due, now)
            self._not_before = now + pause_s
            if self._failures == 1:  # not each time: it may be away for hours
                _say(f"{self._endpoint.url} takes no spans: {outcome.error}; trying again")
            return
        self._queue.settle(due, None)
        self._failures = 0
        if outcome.error:
            _say(f"{self._endpoint.url} did not take the spans of {len(due):,} calls: {outcome.error}; not tried again")


def _say(text: str) -> None:
    print(f"heliograph: otlp: {text}", file=sys.stderr, flush=True)
