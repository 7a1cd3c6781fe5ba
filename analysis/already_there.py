"""Which calls of another tool's history are in the lake already: imported before, or measured by the proxy itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from analysis.lake import Connection, Lake

_SQL: Final = """
select request_id, response_id, session_id, input_tokens, output_tokens
from requests
where request_id in (select unnest($ids::varchar[]))
    or response_id in (select unnest($responses::varchar[]))
    or session_id in (select unnest($sessions::varchar[]))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What tells a call of another tool's history apart."""

    row_id: str
    response_id: str | None
    session_id: str | None
    tokens: tuple[int | None, int | None]  # input, output


@dataclass(slots=True)
class AlreadyThere:
    """The calls that are known. `row_ids`: of rows that were imported, or that kept a tool's own id."""

    row_ids: set[str] = field(default_factory=set)
    response_ids: set[str] = field(default_factory=set)
    of_sessions: set[tuple[str, int | None, int | None]] = field(default_factory=set)

    def has(self, call: Candidate) -> bool:
        """The same row, the same answer by the provider's id; where a tool keeps no such id, the same tokens in the same
        session."""
        if call.row_id in self.row_ids:
            return True
        if call.response_id is not None:
            return call.response_id in self.response_ids
        return call.session_id is not None and (call.session_id, *call.tokens) in self.of_sessions

    def add(self, call: Candidate) -> None:
        self.row_ids.add(call.row_id)
        if call.response_id is not None:
            self.response_ids.add(call.response_id)


def already_there(lake: Lake, calls: Sequence[Candidate]) -> AlreadyThere:
    """Of the rows in the lake those that may be one of `calls`."""
    values = {
        "ids": [call.row_id for call in calls],
        "responses": [call.response_id for call in calls if call.response_id],
        "sessions": list({call.session_id for call in calls if call.session_id and call.response_id is None}),
    }

    def rows(connection: Connection) -> AlreadyThere:
        found = AlreadyThere()
        for row_id, response_id, session_id, *tokens in connection.execute(_SQL, values).fetchall():
            found.row_ids.add(row_id)
            if response_id is not None:
                found.response_ids.add(response_id)
            if session_id is not None:
                found.of_sessions.add((session_id, *tokens))
        return found

    return lake.ask(rows)
