"""What was said in calls, as messages: `bodies` read by addon/conversations, for the calls that are asked for.

    from analysis.conversations import messages
    for call in messages.of_request(Path("~/.local/share/heliograph"), "0199a3f2-..."):
        print(call.conversation.output_messages)

Nothing of this is stored: a body takes from 0.03 to 2 ms to read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import duckdb

from addon.conversations.model import Conversation
from addon.conversations.read import Said, conversation
from addon.conversations.turns import first_new, same_messages
from analysis.by_id import ALL_DAYS, ask_by_id
from analysis.conversations.kept_bodies import kept_bodies
from analysis.lake import Connection, Lake
from analysis.table import NotAllowed, fetch, fetch_user_sql

# Of a session, the calls before this one that are looked at for the turn before it: sub-agents take turns with their
# parent in one session, seldom more than this many at once.
EARLIER_CALLS: Final = 20
LONGEST_TURN_BYTES: Final = 2 * 2**20  # of a call in a page of many
_CALLS_AT_ONCE: Final = 500  # bodies of so many calls are asked for together

_SELECT: Final = """select request_id, epoch_us(started_at) as started_at_us, provider_name, operation_name,
    coalesce(response_model, request_model) as model, method, host, path, status, session_id
from requests"""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call and what was said in it."""

    request_id: str
    started_at_us: int  # epoch microseconds: with the id it names the call
    model: str | None
    session_id: str | None
    said: Said

    @property
    def started_at(self) -> datetime:
        return datetime.fromtimestamp(self.started_at_us / 1_000_000, UTC)

    @cached_property
    def conversation(self) -> Conversation | None:
        """None: the bodies were not kept, or their shape is not known."""
        return conversation(self.said)


def of_request(data: Path, request_id: str) -> list[Call]:
    """The calls with this id (ids may repeat), oldest first."""
    return ask_by_id(Lake(data.expanduser()), request_id, lambda connection: by_id(connection, request_id))


def where(data: Path, condition: str) -> list[Call]:
    """The calls that fit a condition in SQL over the columns of `requests`, oldest first, all bodies in memory.

    Raises NotAllowed or duckdb.Error where the condition is not one.
    """
    found = Lake(data.expanduser()).ask(lambda connection: list(matching(connection, condition)))
    return sorted(found, key=lambda call: call.started_at_us)


def by_id(connection: Connection, request_id: str, on: date | None = None) -> list[Call]:
    """Oldest first. `on`: those of that day alone."""
    first, last = (on, on) if on else ALL_DAYS
    parameters = {"id": request_id.lower(), "first": first, "last": last}
    rows = _asked(connection, "request_id = $id and date between $first and $last", parameters)
    return sorted(with_bodies(connection, rows), key=lambda call: call.started_at_us)


def by_ids(connection: Connection, request_ids: Sequence[str], session_id: str) -> Iterator[Call]:
    """The calls of a session with these ids, in no order."""
    condition = "session_id = $session and request_id in (select unnest(cast($ids as varchar[])))"
    rows = _asked(connection, condition, {"session": session_id, "ids": list(request_ids)})
    return with_bodies(connection, rows)


def matching(connection: Connection, condition: str) -> Iterator[Call]:
    """The same as they are read, in no order. The condition may be anybody's: the connection is confined."""
    # On a line of its own: a comment in it hides nothing of ours.
    statement = f"{_SELECT} where (\n{condition}\n) "
    if _statements(connection, statement) != 1:
        raise NotAllowed(f"{condition!r} is not a condition like session_id = 's1'")
    return with_bodies(connection, list(fetch_user_sql(connection, statement).records()))


def _statements(connection: Connection, sql: str) -> int | None:
    """How many there are; None where it is not SQL."""
    try:
        return len(connection.extract_statements(sql))
    except duckdb.ParserException:
        return None


def turn_before(connection: Connection, call: Call) -> Call | None:
    """The call of the same session that this one goes on from: the one with the longest beginning in common."""
    if call.session_id is None or call.conversation is None:
        return None
    condition = "session_id = $session and started_at < make_timestamptz($at)"
    parameters = {"session": call.session_id, "at": call.started_at_us}
    rows = _asked(connection, condition, parameters, f"desc limit {EARLIER_CALLS}")
    found = [
        (same, earlier.started_at_us, earlier)
        for earlier in with_bodies(connection, rows)
        if earlier.conversation and (same := same_messages(earlier.conversation, call.conversation))
    ]
    return max(found, key=lambda one: one[:2])[2] if found else None  # the later one of two with as much


def turn_after(connection: Connection, call: Call) -> Call | None:
    """The first call of the same session that goes on from this one: its messages begin with all of this one's."""
    if call.session_id is None or call.conversation is None or not call.conversation.input_messages:
        return None
    condition = "session_id = $session and started_at > make_timestamptz($at)"
    parameters = {"session": call.session_id, "at": call.started_at_us}
    rows = _asked(connection, condition, parameters, f"limit {EARLIER_CALLS}")
    whole = len(call.conversation.input_messages)
    after = [
        later
        for later in with_bodies(connection, rows)
        if later.conversation
        and len(later.conversation.input_messages) > whole
        and same_messages(call.conversation, later.conversation) == whole
    ]
    return min(after, key=lambda later: later.started_at_us, default=None)


@dataclass(frozen=True, slots=True)
class SessionTurn:
    """One call of a session, and where its own messages begin. `call` has no bodies where they were too long to read."""

    call: Call
    first_new: int
    is_left_out: bool = False


def session_turns(connection: Connection, session_id: str, offset: int, most: int) -> list[SessionTurn]:
    """Some calls of a session in order of time, each with the index of its first new message. Calls whose bodies have more
    than LONGEST_TURN_BYTES on the wire are left unread: a page of them would not fit into memory."""
    lead = min(offset, EARLIER_CALLS)
    parameters = {"session": session_id, "offset": offset - lead, "most": most + lead, "bytes": LONGEST_TURN_BYTES}
    length = "coalesce(request_bytes, 0) + coalesce(response_bytes, 0)"
    order = "asc, request_id limit $most offset $offset"
    rows = list(
        fetch(
            connection,
            f"{_SELECT.replace('session_id', f'session_id, {length} > $bytes as is_long')}"
            f" where session_id = $session order by started_at {order}",
            parameters,
        ).records()
    )
    short = [row for row in rows if not row["is_long"]]
    read = {(call.request_id, call.started_at_us): call for call in with_bodies(connection, short)}
    calls = [read.get((row["request_id"], row["started_at_us"])) or _call(row, None, None) for row in rows]
    return [
        SessionTurn(call, _first_new_after(calls[max(0, index - EARLIER_CALLS) : index], call), row["is_long"])
        for index, (row, call) in enumerate(zip(rows, calls, strict=True))
        if index >= lead
    ]


def _first_new_after(earlier: Sequence[Call], call: Call) -> int:
    """As `new_from`, over calls that are read already."""
    if call.conversation is None:
        return 0
    found = [
        (same, -age, one.conversation)
        for age, one in enumerate(reversed(earlier))
        if one.conversation and (same := same_messages(one.conversation, call.conversation))
    ]
    return first_new(max(found, key=lambda one: one[:2])[2] if found else None, call.conversation)


def new_from(connection: Connection, call: Call) -> int:
    """The index of the first of its input messages that the turn before did not have."""
    if call.conversation is None:
        return 0
    earlier = turn_before(connection, call)
    return first_new(earlier.conversation if earlier else None, call.conversation)


def as_record(call: Call) -> dict[str, Any]:
    """The call for JSON: the members of its conversation, each None where it has none."""
    found = call.conversation
    return {
        "request_id": call.request_id,
        "started_at": call.started_at.isoformat(),
        "provider_name": call.said.provider_name,
        "operation_name": call.said.operation_name,
        "model": call.model,
        **{item.name: getattr(found, item.name) if found else None for item in fields(Conversation)},
    }


def _asked(
    connection: Connection, condition: str, parameters: Mapping[str, object], order: str = "asc"
) -> list[dict[str, Any]]:
    statement = f"{_SELECT} where {condition} order by started_at {order}"
    return list(fetch(connection, statement, parameters).records())


def with_bodies(connection: Connection, rows: Sequence[dict[str, Any]]) -> Iterator[Call]:
    """The calls of these rows, in no order. One without bodies has None for them."""
    for start in range(0, len(rows), _CALLS_AT_ONCE):
        left = {(row["request_id"], row["started_at_us"]): row for row in rows[start : start + _CALLS_AT_ONCE]}
        for bodies in kept_bodies(connection, list(left.values())):
            if row := left.pop(bodies[:2], None):
                yield _call(row, bodies.request, bodies.response)
        for row in left.values():
            yield _call(row, None, None)


def _call(row: Mapping[str, Any], request_body: str | None, response_body: str | None) -> Call:
    said = {name: row[name] for name in ("provider_name", "operation_name", "method", "host", "path", "status")}
    return Call(
        request_id=row["request_id"],
        started_at_us=row["started_at_us"],
        model=row["model"],
        session_id=row["session_id"],
        said=Said(**said, request_body=request_body, response_body=response_body),
    )
