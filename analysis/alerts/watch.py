"""The loop that looks at each alert once a minute, notes what begins and ends, and delivers what is told of it."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from addon.config.alerts import Alert, recipient
from addon.config.settings import Settings
from addon.limits.store import Contents, StoreDown
from addon.storage.folders import Folders, NotOurs
from analysis.alerts.delivery import deliver
from analysis.alerts.message import moment, told, wait_s
from analysis.alerts.readings import Reading, Unreadable, read
from analysis.alerts.store import AlertStore, Change, Firing, Message
from analysis.lake import Lake
from analysis.reports.standing import stored_contents

LOOK_EVERY_S: Final = 60.0
STEP_S: Final = 2.0
SAY_AGAIN_S: Final = 3600.0
AT_ONCE: Final = 8


def change_of(alert: Alert, firing: Sequence[Firing], readings: Sequence[Reading], now: float) -> Change:
    """What begins, goes on and ends, and what is told of it. Pure. A subject that has no reading any more is over."""
    before = {each.subject: each for each in firing}
    values = {each.subject: each.value for each in readings}
    high = {subject: value for subject, value in values.items() if value is not None and value >= alert.at_least}
    begun = [Firing(alert.name, subject, now, value) for subject, value in high.items() if subject not in before]
    still = [Firing(alert.name, name, before[name].since, value) for name, value in high.items() if name in before]
    over = [subject for subject in before if subject not in high]
    messages = [told(alert, "firing", each.subject, each.value, moment(now), moment(now)) for each in begun]
    messages += [
        told(alert, "resolved", subject, values.get(subject), moment(before[subject].since), moment(now))
        for subject in over
    ]
    return Change(alert.name, begun, still, over, [(to, message) for message in messages for to in alert.to])


class AlertWatch:
    """What fires is kept over restarts."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970."""
        self._settings, self._clock = settings, clock
        self._lake = Lake(settings.data, memory="512MiB")  # it runs beside the questions of callers
        self._store = AlertStore(Folders(settings.data).alerts)
        self._said: dict[str, float] = {}  # when

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                await self.step(self._clock())
                await asyncio.sleep(STEP_S)
        finally:
            self._store.close()

    async def step(self, now: float) -> None:
        """Looks where it is time, and sends what is due. What fails is said once, and tried again."""
        try:
            await asyncio.to_thread(self._look, now)
            while due := await asyncio.to_thread(self._store.claim_messages, now, AT_ONCE):
                await asyncio.gather(*(asyncio.to_thread(self._send, message) for message in due))
        except Exception as error:  # a full disk, a lake that is being moved
            self._say(f"alerts: {type(error).__name__}: {error}; trying again")

    def _look(self, now: float) -> None:
        self._store.forget(alert.name for alert in self._settings.alerts)
        contents = self._contents(now)
        for alert in self._settings.alerts:
            if not self._store.claim_look(alert.name, now, LOOK_EVERY_S):
                continue
            firing = self._store.firing(alert.name)
            try:
                readings = read(
                    self._lake,
                    alert,
                    self._settings.budgets,
                    contents,
                    self._settings.config,
                    datetime.fromtimestamp(now, UTC),
                )
            except (Unreadable, NotOurs) as error:  # what fired goes on to fire: nobody knows better
                self._say(f"the alert {alert.name} cannot be checked: {error}")
                self._store.take_over(Change(alert.name), str(error), now)
            else:
                self._store.take_over(change_of(alert, firing, readings, now), None, now)

    def _contents(self, now: float) -> Contents:
        if not any(alert.condition == "budget" for alert in self._settings.alerts):
            return Contents()
        try:
            return stored_contents(self._settings, datetime.fromtimestamp(now, UTC))
        except StoreDown as error:  # what calls under way reserve is missing; what was spent is in the rows
            self._say(f"alerts on budgets leave out what calls under way reserve: {error}")
            return Contents()

    def _send(self, message: Message) -> None:
        try:
            to = recipient(message.recipient, os.environ)
        except ValueError as error:
            failure: str | None = str(error)
        else:
            assert to is not None  # there is an environment
            failure = deliver(to, message.told, self._settings.smtp, os.environ)
        if failure is None:
            self._store.delivered(message)
            return
        now = self._clock()
        pause_s = wait_s(message.failures + 1, now - message.made_at)
        if pause_s is None:
            self._say(f"alerts: nobody took a message of {message.told.alert} for a day: {failure}")
        self._store.failed(message, failure, None if pause_s is None else now + pause_s)

    def _say(self, text: str) -> None:
        now = self._clock()
        self._said = {said: at for said, at in self._said.items() if now - at < SAY_AGAIN_S}
        if text not in self._said:
            self._said[text] = now
            print(f"heliograph: {text}", file=sys.stderr, flush=True)
