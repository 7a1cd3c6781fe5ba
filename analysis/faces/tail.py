"""Calls as they finish: the last ones first, then each new one once."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from addon.config.mistakes import did_you_mean
from analysis.faces.render import cell, printable
from analysis.lake import Connection, Lake
from analysis.reports.report import load_internal
from analysis.reports.scope import NO_LIMIT, set_variables
from analysis.reports.window import EVER
from analysis.reports.zone import UTC_ZONE, Zone
from analysis.table import Table, fetch

POLL_S: Final = 0.5

# A call is seen a second after its end; only after a crash does it come later than this, and is then in the reports only.
_LATE: Final = timedelta(minutes=10)
_LONGEST_CALL: Final = timedelta(hours=6)
_NAMES_OF: Final = timedelta(days=30)  # names that a mistyped filter is compared with

_RED, _GREEN, _DIM, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[2m", "\x1b[0m"

type Call = dict[str, Any]  # the columns of internal/tail.sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which calls are shown; None: all."""

    provider: str | None = None
    model: str | None = None  # `*` stands for anything; upper and lower case are one
    user: str | None = None
    session: str | None = None
    project: str | None = None
    errors: bool = False

    def variables(self) -> dict[str, object]:
        """As internal/tail.sql reads them."""
        return {
            "of_provider": self.provider,
            "of_model": None if self.model is None else _like(self.model),
            "of_user": self.user,
            "of_session": self.session,
            "of_project": self.project,
            "only_errors": self.errors,
        }


EVERY_CALL: Final = Filters()


class Tail:
    """Remembers which calls were given out."""

    def __init__(self, data: Path, warn: Callable[[str], None], filters: Filters = EVERY_CALL) -> None:
        self.lake = Lake(data, warn)
        self._filters = filters
        self._given: set[tuple[str, datetime]] = set()  # request ids may repeat
        self._fingerprint: frozenset[tuple[str, int]] = frozenset()

    def last(self, limit: int) -> list[Call]:
        """The last `limit` calls, oldest first."""
        self._fingerprint = self.lake.fingerprint()  # before the query: what comes in between is looked at again

        def question(connection: Connection) -> tuple[Table, Table]:
            return self._ended(connection, EVER.since, EVER.since, limit), self._recent(connection)

        last, recent = self.lake.ask(question)
        self._given = {_key(call) for call in recent.records()}
        return list(last.records())[::-1]

    def begin(self, since: datetime) -> None:
        """In place of `last`: calls that began before `since` count as given out."""
        recent = self.lake.ask(self._recent).records()
        self._given = {_key(call) for call in recent if call["started_at"].replace(tzinfo=UTC) < since}

    def new(self) -> list[Call]:
        """Calls that ended since the last question, oldest first."""
        fingerprint = self.lake.fingerprint()
        if fingerprint == self._fingerprint:
            return []
        self._fingerprint = fingerprint
        calls = list(self.lake.ask(self._recent).records())
        fresh = [call for call in reversed(calls) if _key(call) not in self._given]
        self._given = {_key(call) for call in calls}
        return fresh

    def follow(self) -> Iterator[Call]:
        """New calls, without an end."""
        while True:
            yield from self.new()
            time.sleep(POLL_S)

    def nearest(self) -> str:
        """`user 'an'; did you mean 'ann'` for each filter that no call of the last 30 days fits."""

        def question(connection: Connection) -> Table:
            set_variables(connection, {"since": datetime.now(UTC) - _NAMES_OF})
            return fetch(connection, load_internal("tail_names").sql)

        names: dict[str, list[str]] = {}
        for name_of, name in self.lake.ask(question).rows:
            if name is not None:
                names.setdefault(name_of, []).append(name)
        asked = {name: value for name, value in asdict(self._filters).items() if isinstance(value, str)}
        return ", ".join(
            f"{name_of} {value!r}{did_you_mean(value, names.get(name_of, []))}"
            for name_of, value in asked.items()
            if value not in names.get(name_of, []) and "*" not in value
        )

    def _recent(self, connection: Connection) -> Table:
        after = datetime.now(UTC) - _LATE
        return self._ended(connection, after, after - _LONGEST_CALL, NO_LIMIT)

    def _ended(self, connection: Connection, since: datetime, began_since: datetime, most: int) -> Table:
        """Calls that ended since then, newest first. Those that began before `began_since` are not looked for."""
        asked = {"ended_since": since, "since": began_since, "most": most}
        set_variables(connection, asked | self._filters.variables())
        return fetch(connection, load_internal("tail").sql)


def line(call: Call, zone: Zone = UTC_ZONE, *, colour: bool = False) -> str:
    """One call on one line: when it ended, provider, model, duration, tokens in and out, cost, outcome, whose it is, id."""
    outcome = f"{call['status'] if call['status'] is not None else '-'}"
    if call["error_type"]:
        outcome += f" {printable(call['error_type'])}"
    duration = "-" if call["duration_ms"] is None else f"{call['duration_ms'] / 1000:,.2f}s"
    tokens = f"{cell('', call['input_tokens'])} > {cell('', call['output_tokens'])}"
    ended = zone.local(call["ended_at"].replace(tzinfo=UTC))
    measured = (  # 80 characters up to the status; 26 hold claude-sonnet-4-5-20250929
        f"{ended:%H:%M:%S} {printable(call['provider_name']):<9} {printable(call['model'] or '-'):<26}"
        f" {duration:>6} {tokens:>13} {cell('cost_usd', call['cost_usd']):>9}"
    )
    cache = call["cache_status"] or ""
    if colour:
        outcome = f"{_RED if call['error_type'] else _GREEN}{outcome}{_PLAIN}"
        cache = f"{_GREEN}{cache}{_PLAIN}" if cache in ("hit", "coalesced") else cache
    whose = [f"{name}={printable(value)}" for name, value in _whose(call) if value]
    request_id = f"{_DIM}{call['request_id']}{_PLAIN}" if colour else call["request_id"]
    return " ".join([measured, *filter(None, (outcome, cache, *whose)), request_id])


def _whose(call: Call) -> Iterator[tuple[str, str | None]]:
    """A session says more than the project that it belongs to."""
    yield "user", call["user_id"]
    yield "session", call["session_id"]
    if not call["session_id"]:
        yield "project", call["project"]


def _like(pattern: str) -> str:
    """`gpt-4*` as a pattern for LIKE."""
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def _key(call: Call) -> tuple[str, datetime]:
    return call["request_id"], call["started_at"]
