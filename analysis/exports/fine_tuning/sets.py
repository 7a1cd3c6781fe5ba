"""Makes a set: looks at every call of a scope, writes the examples among them, and counts why the others are none."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from addon.conversations.dialects import SILENT
from addon.conversations.model import Conversation, dumped
from addon.metering.estimate import estimate_tokens
from analysis.conversations.messages import Call, with_bodies
from analysis.exports.fine_tuning import anthropic, openai, sharegpt
from analysis.exports.fine_tuning.example import Example, LeftOut, example_of
from analysis.exports.fine_tuning.repeats import Repeats
from analysis.exports.fine_tuning.tool_schemas import tools_of
from analysis.exports.slices import of_size
from analysis.lake import Connection, Lake
from analysis.reports.scope import Scope, open_scope
from analysis.table import fetch

Line = Callable[[Example], Mapping[str, Any]]
Remark = Callable[[Example], str | None]
Redact = Callable[[bytes], bytes | None]  # of a line of JSON; None: it must not be written

FORMATS: Final[Mapping[str, tuple[Line, Remark]]] = {
    "openai": (openai.line, lambda example: None),
    "anthropic": (anthropic.line, anthropic.remark),
    "sharegpt": (sharegpt.line, sharegpt.remark),
}
NOT_TAKEN_TWICE: Final = "the same input and answer as another"
CONTINUED: Final = "the beginning of a longer conversation that is taken"
_SILENT: Final = sorted(
    {
        *SILENT,
        "agent_session",
        "web_search",
        "web_reader",
        "embeddings",
        "moderation",
        "speech",
        "transcription",
        "translation",
        "images",
        "videos",
        "image",
        "video",
    }
)
_SQL: Final = Path(__file__).with_name("candidates.sql").read_text(encoding="utf-8")
# Calls whose bodies are in memory at once.
_MOST_CALLS: Final = 500
_MOST_BYTES: Final = 32 * 2**20
_SAMPLED_CHARACTERS: Final = 2_000_000  # of which tokens are counted; the rest is estimated from them


@dataclass(slots=True)
class Counts:
    """What became of the calls. `left_out`: by reason. `remarks`: of examples that are in the set."""

    looked_at: int = 0
    examples: int = 0
    characters: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    sampled_characters: int = 0
    sampled_tokens: int = 0

    @property
    def tokens(self) -> int:
        """About. Counted with OpenAI's o200k vocabulary over the first examples."""
        return round(self.characters * self.sampled_tokens / self.sampled_characters) if self.sampled_characters else 0


@dataclass(frozen=True, slots=True)
class _Spooled:
    """An example in the temporary file, before it is known whether a longer one follows."""

    key: int
    size: int  # bytes
    characters: int  # of text
    remark: str | None


def write_set(
    lake: Lake,
    scope: Scope,
    dates: Sequence[date],
    form: str,
    out: IO[bytes],
    advance: Callable[[int], None],
    redact: Redact | None = None,
    spool_folder: Path | None = None,
) -> Counts:
    """Writes one example a line. `advance` is told of calls that were looked at."""
    counts, repeats, spooled = Counts(), Repeats(), list[_Spooled]()
    line, remark = FORMATS[form]
    with tempfile.TemporaryFile(dir=spool_folder) as spool:
        for call in _calls(lake, scope, dates, counts, advance):
            try:
                example = _example(call)
                made = line(example)
            except LeftOut as reason:
                counts.left_out[str(reason)] += 1
                continue
            key = repeats.add(example)
            if key is None:
                counts.left_out[NOT_TAKEN_TWICE] += 1
                continue
            written = _bytes(made, redact)
            spool.write(written)
            spooled.append(_Spooled(key, len(written), _sampled(example, counts), remark(example)))
        spool.seek(0)
        _copy(spool, out, spooled, repeats, counts)
    return counts


def _copy(spool: IO[bytes], out: IO[bytes], spooled: Sequence[_Spooled], repeats: Repeats, counts: Counts) -> None:
    for one in spooled:
        written = spool.read(one.size)
        if repeats.is_continued(one.key):
            counts.left_out[CONTINUED] += 1
            continue
        out.write(written)
        counts.examples += 1
        counts.characters += one.characters
        if one.remark:
            counts.remarks[one.remark] += 1


def _bytes(made: Mapping[str, Any], redact: Redact | None) -> bytes:
    told: bytes | None = dumped(dict(made))
    if redact and told is not None and (told := redact(told)) is None:
        raise AssertionError("JSON of our own is readable")
    return (told or b"") + b"\n"


def _example(call: Call) -> Example:
    if call.said.request_body is None and call.said.response_body is None:
        raise LeftOut("bodies that were not kept")
    conversation: Conversation | None = call.conversation
    if conversation is None:
        raise LeftOut("not a conversation (embeddings, images, ...)")
    return example_of(conversation, *tools_of(call.said.request_body))


def _sampled(example: Example, counts: Counts) -> int:
    """Characters of text. The first examples are counted in tokens, too."""
    words = [example.system, *(text for turn in example.turns for text in _texts(turn))]
    characters = sum(map(len, words))
    if counts.sampled_characters < _SAMPLED_CHARACTERS:
        counts.sampled_characters += characters
        counts.sampled_tokens += sum(estimate_tokens(text, None) for text in words)
    return characters


def _texts(turn: Any) -> Iterator[str]:
    yield turn.text
    for call in turn.calls:
        yield call.name
        yield dumped(call.arguments).decode("utf-8", "replace")
    for result in turn.results:
        yield result.text


def _calls(
    lake: Lake, scope: Scope, dates: Sequence[date], counts: Counts, advance: Callable[[int], None]
) -> Iterator[Call]:
    """The candidates in order of time, with their bodies."""
    for day in dates:
        rows = lake.ask(partial(_rows, scope=scope, day=day))
        counts.looked_at += len(rows)
        counts.left_out.update(row["why_not"] for row in rows if row["why_not"])
        wanted = [row for row in rows if not row["why_not"]]
        advance(len(rows) - len(wanted))
        for group in of_size(wanted, _MOST_CALLS, _MOST_BYTES):
            yield from lake.ask(partial(_read, group=group))
            advance(len(group))


def _rows(connection: Connection, scope: Scope, day: date) -> list[dict[str, Any]]:
    open_scope(connection, scope)
    return list(fetch(connection, _SQL, {"day": day, "silent": _SILENT}).records())


def _read(connection: Connection, group: Sequence[dict[str, Any]]) -> list[Call]:
    return sorted(with_bodies(connection, group), key=lambda call: (call.started_at_us, call.request_id))
