"""`DATA/chains.sqlite`: the session of each response that a later call may continue by its id.

A call of OpenAI's Responses API may name the response before it (`previous_response_id`), one of Gemini's Interactions API
the interaction (`previous_interaction_id`). Where nothing else names a session, it belongs to the session of that response, and where
that has none, to the session that is named after the first response of the chain. The first call itself is then in no
session: when its row is made, nobody knows whether it will be continued.

A call may be ready before the one that it continues has its row (a large one, or one that another proxy left). Then its
reader is told so, and may make its row later. A row that is made again gets the same session. The file may be deleted at any time: a chain that goes on begins a session
named after the last response before that.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from addon.storage.sqlite import SqliteFile, erase_deleted

KEEP_S: Final = 60 * 86_400.0  # OpenAI keeps responses for 30 days
_FORGET_EVERY_S: Final = 86_400.0
_PATIENCE_S: Final = 1.0
CHAINED: Final = ("responses", "interactions")  # operations whose answers can be continued by their ids
_SCHEMA: Final = """
create table if not exists chained (response text primary key, session text not null, at real not null) without rowid;
create index if not exists chained_at on chained (at);
"""


class ParentUnknown(Exception):
    """The call continues a response that is not known yet."""


class Link(NamedTuple):
    """One call, as far as its chain is concerned."""

    provider_name: str
    previous_id: str | None  # of the response that it continues
    response_id: str | None  # of its own
    session_id: str | None  # that something else names
    fallback: str | None  # the session where that of the response before it is not known
    may_wait: bool = False  # raise ParentUnknown instead of taking `fallback`

    def key(self, response_id: str) -> str:
        return f"{self.provider_name} {response_id}"


class Chains:
    """The settler and its worker have one each; the file's lock keeps them apart."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = SqliteFile(path, _SCHEMA, busy_s=_PATIENCE_S, synchronous="normal", replace_broken=True)
        self._clock = clock
        self._forget_at = 0.0

    def session(self, link: Link) -> str | None:
        """The session of a call, which is kept for the calls that continue its response. Where the file cannot be used, as
        if it were empty. Raises ParentUnknown where the call may wait."""
        try:
            with self._file.connection(create=True) as file:
                self._forget(file)
                return _kept(file, link, self._clock())
        except (sqlite3.Error, OSError):
            return without_chains(link)

    def links(self) -> dict[str, str]:
        """The session of each response, by the response's key. Raises sqlite3.Error, OSError."""
        try:
            with self._file.connection(patient=True) as file:
                return dict(file.execute("select response, session from chained").fetchall())
        except FileNotFoundError:
            return {}

    def remove(self, responses: Iterable[str]) -> None:
        """Removes responses by their keys, without a trace in the file. Raises sqlite3.Error, OSError."""
        with contextlib.suppress(FileNotFoundError), self._file.connection(patient=True) as file:
            file.executemany("delete from chained where response = ?", [(response,) for response in responses])
            erase_deleted(file)

    def close(self) -> None:
        self._file.close()

    def _forget(self, file: sqlite3.Connection) -> None:
        now = self._clock()
        if now >= self._forget_at:
            file.execute("delete from chained where at < ?", (now - KEEP_S,))
            self._forget_at = now + _FORGET_EVERY_S


def without_chains(link: Link) -> str | None:
    return link.session_id or link.fallback


def _kept(file: sqlite3.Connection, link: Link, now: float) -> str | None:
    session = link.session_id
    if session is None and link.previous_id:
        found = file.execute("select session from chained where response = ?", (link.key(link.previous_id),)).fetchone()
        if found is None and link.may_wait:
            raise ParentUnknown(link.previous_id)
        session = found[0] if found else link.fallback
    if link.response_id:
        first = session or link.response_id
        file.execute("insert or ignore into chained values (?, ?, ?)", (link.key(link.response_id), first, now))
    return session
