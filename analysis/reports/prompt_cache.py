"""The prompt-cache doctor: how much of each session's input the provider read from its cache, at which turn and message the
prompt's beginning changed, and what that cost. The rules are in prompt_turns.py; here bodies are read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, timedelta
from hashlib import blake2b
from sys import intern
from typing import Any, Final

from addon.storage.record import RequestRow
from analysis.conversations.kept_bodies import kept_requests
from analysis.conversations.prompt_blocks import prompt_blocks, words_that_differ
from analysis.lake import Connection
from analysis.made_tables import make_table
from analysis.reports.prompt_turns import LostUsd, Prompt, Turn, turns_of
from analysis.reports.report import load_internal
from analysis.reports.scope import set_variables
from analysis.table import fetch

SESSIONS: Final = 20  # whose bodies are read: about 1 ms for a turn of 100 KB
MOST_CALLS: Final = 500  # of a session, its newest
_EXCERPT: Final = 60  # characters
_LEFT_OUT: Final = "\N{HORIZONTAL ELLIPSIS}"
_OF_ROWS: Final = frozenset(item.name for item in fields(RequestRow))

_COLUMNS: Final = {
    "session_id": "VARCHAR",
    "calls": "BIGINT",
    "input_tokens": "BIGINT",
    "cache_read_input_tokens": "BIGINT",
    # These are NULL where no request was kept, or the provider does not say what it read.
    "changed": "BIGINT",  # turns whose beginning is not that of the turn before,
    "lost_tokens": "BIGINT",  # the tokens that were therefore not read from the cache,
    "lost_usd": "DOUBLE",  # and what they cost more
    "missed": "BIGINT",  # turns whose beginning is the same, and was not read
    "missed_usd": "DOUBLE",
    "turn": "BIGINT",  # the first that changed
    "changed_at": "VARCHAR",
    "before": "VARCHAR",
    "now": "VARCHAR",
    "request_id": "VARCHAR",
}
_Key = tuple[str, int]  # request id, start in epoch microseconds: ids may repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCache:
    """One session. Sums are of all its calls in the scope that a provider answered, turns of the newest MOST_CALLS."""

    session_id: str
    calls: int
    input_tokens: int
    cache_read_input_tokens: int | None  # None: the provider does not say
    compared: int  # calls whose request was kept, and is of a shape that we know
    turns: Sequence[Turn]
    before: str | None  # what differs in the first turn that changed: its beginning in the call before,
    now: str | None  # and in it

    @property
    def read_share(self) -> float | None:
        return None if self.cache_read_input_tokens is None else self.cache_read_input_tokens / self.input_tokens

    @property
    def changed(self) -> Sequence[Turn]:
        """Turns whose beginning is not that of the turn before."""
        return [turn for turn in self.turns if turn.changed_at]

    @property
    def missed(self) -> Sequence[Turn]:
        """Turns whose beginning is that of the turn before, and was not read from the cache."""
        return [turn for turn in self.turns if turn.lost_tokens and not turn.changed_at]


def diagnose(connection: Connection, lost_usd: LostUsd, sessions: int = SESSIONS) -> list[SessionCache]:
    """The sessions of the open scope (scope.py) with the most input that was not read from a cache, the worst first."""
    set_variables(connection, {"most": sessions})
    sums = list(fetch(connection, load_internal("prompt_cache_sessions").sql).records())
    rows: dict[str, list[RequestRow]] = {each["session_id"]: [] for each in sums}
    # Without its bodies nothing is told of a session's turns. They may be kept for less time than calls.
    ((kept_from,),) = fetch(connection, "select min(date) from bodies").rows
    days = [(each.pop("first_date"), each.pop("last_date")) for each in sums]
    dates = {day for first, last in days if kept_from and kept_from <= last for day in _dates(first, last)}
    set_variables(connection, {"sessions": list(rows), "dates": sorted(dates), "most": MOST_CALLS})
    for record in fetch(connection, load_internal("prompt_cache_calls").sql).records():
        rows[record["session_id"]].append(_row(record))
    prompts = _prompts(connection, [row for of_session in rows.values() for row in of_session])
    found = []
    for each in sums:
        of_session = [prompts[_key(row)] for row in rows[each["session_id"]]]
        turns = turns_of(of_session, lost_usd)
        before, now = _difference(connection, turns, of_session)
        compared = sum(prompt.blocks is not None for prompt in of_session)
        found.append(SessionCache(**each, compared=compared, turns=turns, before=before, now=now))
    return found


def _dates(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def add(connection: Connection, lost_usd: LostUsd, sessions: int = SESSIONS) -> None:
    """Makes the table `prompt_cache_sessions` for the open scope: one row a session."""
    rows = [_columns(each) for each in diagnose(connection, lost_usd, sessions)]
    make_table(connection, "prompt_cache_sessions", _COLUMNS, rows)


def _columns(each: SessionCache) -> dict[str, Any]:
    first = each.changed[0] if each.changed else None
    is_told = each.compared > 0 and each.cache_read_input_tokens is not None
    return {
        "session_id": each.session_id,
        "calls": each.calls,
        "input_tokens": each.input_tokens,
        "cache_read_input_tokens": each.cache_read_input_tokens,
        "changed": len(each.changed) if each.compared else None,
        "lost_tokens": total([turn.lost_tokens for turn in each.changed]) if is_told else None,
        "lost_usd": total([turn.lost_usd for turn in each.changed]) if is_told else None,
        "missed": len(each.missed) if is_told else None,
        "missed_usd": total([turn.lost_usd for turn in each.missed]) if is_told else None,
        "turn": first.number if first else None,
        "changed_at": first.changed_at if first else None,
        "before": each.before,
        "now": each.now,
        "request_id": first.request_id if first else None,
    }


def total[Number: (int, float)](values: Sequence[Number | None]) -> Number | None:
    """The sum of what is known. Of no values 0; None where there are some and none is known."""
    known = [value for value in values if value is not None]
    return None if values and not known else sum(known, start=0 * known[0] if known else 0)


def _row(record: Mapping[str, Any]) -> RequestRow:
    values = {name: value for name, value in record.items() if name in _OF_ROWS}
    return RequestRow(**values | {"started_at": record["started_at"].replace(tzinfo=UTC)})


def _key(row: RequestRow) -> _Key:
    return row.request_id, round(row.started_at.timestamp() * 1_000_000)


def _prompts(connection: Connection, rows: Sequence[RequestRow]) -> dict[_Key, Prompt]:
    """Every call's blocks as small numbers: the text of a session's turns would be a thousand times as much."""
    numbers: dict[bytes, int] = {}
    prompts = {_key(row): Prompt(row, None) for row in rows}
    asked = [{"request_id": request_id, "started_at_us": at_us} for request_id, at_us in prompts]
    for request_id, at_us, body in kept_requests(connection, asked):
        known = prompts.get((request_id, at_us))
        if known is None or (blocks := prompt_blocks(body)) is None:
            continue
        prompts[request_id, at_us] = Prompt(
            known.row,
            [numbers.setdefault(blake2b(block.content, digest_size=16).digest(), len(numbers)) for block in blocks],
            [intern(block.place) for block in blocks],
            next((index for index, block in enumerate(blocks) if block.is_message), len(blocks)),
        )
    return prompts


def _difference(
    connection: Connection, turns: Sequence[Turn], prompts: Sequence[Prompt]
) -> tuple[str | None, str | None]:
    """Excerpts of the first change, in words: what the call before had there, and what this one has."""
    first = next((turn for turn in turns if turn.changed_at), None)
    if first is None or first.changed_block is None:
        return None, None
    asked = [
        {"request_id": prompt.row.request_id, "started_at_us": _key(prompt.row)[1]}
        for prompt in prompts
        if prompt.row.request_id in (first.before_id, first.request_id)
    ]
    contents = {}
    for request_id, _, body in kept_requests(connection, asked):
        blocks = prompt_blocks(body) or []
        contents[request_id] = blocks[first.changed_block].content if first.changed_block < len(blocks) else b""
    return excerpts(*words_that_differ(contents.get(first.before_id, b""), contents.get(first.request_id, b"")))


def excerpts(before: str, now: str) -> tuple[str, str]:
    """Of two texts, the words around the first character that differs. An ellipsis stands for what is left out."""
    pairs = enumerate(zip(before, now, strict=False))
    at = next((index for index, (a, b) in pairs if a != b), min(len(before), len(now)))
    begin = max(0, at - _EXCERPT // 3)
    if begin:  # with a word, where one begins soon
        begin = next((index + 1 for index in range(begin - 1, at) if before[index].isspace()), begin)
    return _cut(before, begin), _cut(now, begin)


def _cut(text: str, begin: int) -> str:
    end = begin + _EXCERPT
    return f"{_LEFT_OUT if begin and text[begin:] else ''}{text[begin:end]}{_LEFT_OUT if text[end:] else ''}"
