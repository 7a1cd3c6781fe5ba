"""What the routes share: where the data is, how to ask it, and a journal for what they are told."""

from collections.abc import Callable
from dataclasses import dataclass, field

from addon.config.settings import Settings
from addon.storage.journal import Journal
from analysis.api.asking import Questions
from analysis.api.bodies import LongBodies
from analysis.api.sql_workers import SqlWorkers
from analysis.by_id import lakes_for
from analysis.lake import Connection, Lake


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    settings: Settings
    secret: bytes  # the key of keyed hashes
    lake: Lake
    sql: SqlWorkers  # for SQL of callers
    journal: Journal  # this process's own run: the settler takes it in like the proxy's
    questions: Questions = field(default_factory=Questions)
    long_bodies: LongBodies = field(default_factory=LongBodies)

    async def ask[T](self, question: Callable[[Connection], T]) -> T:
        """What the lake answers, off the event loop. Raises ApiError where it takes too long."""
        return await self.questions.ask(self.lake, question)

    async def ask_by_id[T](self, request_id: str, question: Callable[[Connection], T]) -> T | None:
        """The same for one call; None: it was not found, which `question` says by an empty answer."""
        for lake in lakes_for(self.lake, request_id):
            if found := await self.questions.ask(lake, question):
                return found
        return None
