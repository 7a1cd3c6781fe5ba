"""Data folders for these tests, written with the same functions as the settler writes them."""

import random
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from addon.settling.parquet import read_parts, write_parquet
from addon.settling.settled_files import EventFile, SettledFile, dump_line, row_fields
from addon.storage.folders import Folders
from addon.storage.record import EVENT_TABLES, BodyRow, EventRow, RequestRow

FIRST_DAY = datetime(2026, 11, 19, tzinfo=UTC)

# per model: (provider, nano-USD per input token, per output token); None: nobody knows its price
MODELS: dict[str, tuple[str, tuple[int, int] | None]] = {
    "gpt-4o": ("openai", (2500, 10000)),
    "gpt-4o-mini": ("openai", (150, 600)),
    "claude-sonnet-4-5": ("anthropic", (3000, 15000)),
    "acme-1": ("openai", None),
}


def made_up_rows(count: int = 400, seed: int = 1) -> list[RequestRow]:
    """Calls over two days: several users, sessions and properties; errors, streams, hits, unknown prices and usage."""
    dice = random.Random(seed)
    return [_row(dice, number, FIRST_DAY + timedelta(seconds=number * 172_800 / count)) for number in range(count)]


def _row(dice: random.Random, number: int, started_at: datetime) -> RequestRow:
    model = dice.choice(list(MODELS))
    provider, price = MODELS[model]
    failed, silent, stream = dice.random() < 0.15, dice.random() < 0.1, dice.random() < 0.5
    tokens = None if failed or silent else (dice.randrange(2000), dice.randrange(500))
    cost = 0 if failed else None if price is None or tokens is None else price[0] * tokens[0] + price[1] * tokens[1]
    properties = {"feature": dice.choice(["search", "chat"])} if dice.random() < 0.7 else {}
    if dice.random() < 0.3:
        properties["environment"] = "dev"
    return RequestRow(
        request_id=f"0199f000-0000-7000-8000-{number:012x}",
        started_at=started_at,
        provider_name=provider,
        operation_name="chat",
        request_model=model,
        response_model=None if failed else model,
        finish_reasons=("stop",),
        host=f"api.{provider}.com",
        path="/v1/chat/completions",
        status=429 if failed else 200,
        error_type="rate_limited" if failed else None,
        is_stream=stream,
        duration_ms=dice.randrange(50, 9000),
        time_to_first_token_ms=dice.randrange(20, 900) if stream else None,
        overhead_ms=0.5,
        input_tokens=tokens[0] if tokens else None,
        output_tokens=tokens[1] if tokens else None,
        usage_raw='{"total_tokens": 3}' if tokens else None,
        usage_source=None if tokens is None else "estimated" if stream and number % 3 == 0 else "provider",
        cost_nanousd=cost,
        cost_source="free" if failed else "genai-prices 0.2.3" if cost is not None else None,
        cache_status="hit" if number % 17 == 0 else None,
        user_id=dice.choice(["ann", "bob", None]),
        session_id=f"session-{number // 8}" if number % 5 else None,
        session_name="trip",
        properties=properties,
    )


def body_of(row: RequestRow) -> BodyRow:
    return BodyRow(
        request_id=row.request_id,
        started_at=row.started_at,
        request_body='{"messages": []}',
        response_body="{}",
        response_text="hello\nworld",
    )


def segment(number: int) -> str:
    """A segment's name, one for each number."""
    return f"20261119T000000-00000000000000aa-{number:06d}"


def settle(data: Path, rows: Sequence[RequestRow], number: int) -> None:
    """The rows as settled lines of segment `number`."""
    for day in {row.started_at.date() for row in rows}:
        file = SettledFile(Folders(data), segment(number), day)
        for row in rows:
            if row.started_at.date() == day:
                file.append(f"call-{row.request_id}", row_fields(row), row_fields(body_of(row)))
        file.close()


def settle_bodies(data: Path, calls: Sequence[tuple[RequestRow, BodyRow]], number: int) -> None:
    """Rows with bodies of their own as settled lines of segment `number`."""
    for day in {row.started_at.date() for row, _ in calls}:
        file = SettledFile(Folders(data), segment(number), day)
        for index, (row, body) in enumerate(calls):
            if row.started_at.date() == day:
                file.append(f"call-{index}-{row.request_id}", row_fields(row), row_fields(body))
        file.close()


def to_parquet(data: Path, rows: Sequence[RequestRow], number: int) -> list[Path]:
    """The rows as Parquet files of segment `number`, of both tables; returns those of `requests`."""
    targets = []
    for day in sorted({row.started_at.date() for row in rows}):
        of_day = [row for row in rows if row.started_at.date() == day]
        for table, records in (("requests", of_day), ("bodies", [body_of(row) for row in of_day])):
            lines = [dump_line(row_fields(record)) for record in records]
            target = Folders(data).parquet(table, segment(number), day)
            write_parquet(target, table, read_parts(lines, table))
            if table == "requests":
                targets.append(target)
    return targets


def tell(data: Path, events: Sequence[EventRow], number: int, *, parquet: bool = False) -> None:
    """What was said of calls, as settled lines or Parquet of segment `number`."""
    for table, record in EVENT_TABLES.items():
        of_table = [event for event in events if isinstance(event, record)]
        for day in {event.created_at.date() for event in of_table}:
            lines = [row_fields(event) for event in of_table if event.created_at.date() == day]
            if parquet:
                target = Folders(data).parquet(table, segment(number), day)
                write_parquet(target, table, read_parts([dump_line(line) for line in lines], table))
            else:
                file = EventFile(Folders(data), table, segment(number), day)
                for index, line in enumerate(lines):
                    file.append(f"event-{number}-{index}", line)
                file.close()


def leave_in_journal(data: Path) -> None:
    """A call, answered with 503, of a proxy that was killed before it was settled."""
    script = f"""
import os, signal
from pathlib import Path
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd, CallStart
journal = Journal(Path({str(data / "journal")!r}))
journal.open()
journal.start("call-1", CallStart(request_id="0199f000-0000-7000-8000-000000000001", started_at_us=1795219200_000000,
    provider_name="openai", operation_name="chat", method="POST", host="api.openai.com", path="/v1/chat/completions",
    mode="forward"))
assert journal.end("call-1", CallEnd(status=503), True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
