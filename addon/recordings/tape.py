"""A recording in use: it takes the calls of a program, or answers them, or both. In memory; `save` writes the file.

The proxy's event loop works with it; `save` and the questions at the end come after the proxy has stopped.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from addon.metering.content_coding import decode
from addon.recordings.likeness import Form, differences, nearest
from addon.recordings.model import Piece, Question, RecordedCall
from addon.recordings.recording_file import RecordingError, is_recording, read, write
from addon.recordings.secrets import masked

FOLDER: Final = Path("recordings")
SUFFIX: Final = ".jsonl"


def path_of(name: str) -> Path:
    """A bare NAME is `recordings/NAME.jsonl`; with a folder or an extension in it, it is the file's path."""
    path = Path(name)
    return path if path.suffix or "/" in name else FOLDER / f"{name}{SUFFIX}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A call that was answered while the tape recorded, as it came: secrets are still in it."""

    number: int  # of `Tape.begin`: calls are written in the order in which they began
    call: RecordedCall
    request_encoding: str | None = None
    credentials: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A call for which the recording has no answer."""

    message: str


@dataclass(slots=True)
class _Track:
    """The recorded calls of one form, by their index. The last one repeats."""

    indexes: list[int] = field(default_factory=list)
    next: int = 0

    def waiting(self, used: Sequence[bool]) -> int | None:
        while self.next < len(self.indexes) and used[self.indexes[self.next]]:
            self.next += 1
        return self.indexes[self.next] if self.next < len(self.indexes) else None


class Tape:
    """`recorded`: what it answers from; None: nothing, it only records. `records`: calls that it has no answer for go to the
    provider and are added."""

    def __init__(
        self,
        path: Path,
        recorded: Sequence[RecordedCall] | None,
        *,
        records: bool,
        speed: float = 1.0,
        is_strict: bool = False,
    ) -> None:
        self.path, self.records, self.speed, self.is_strict = path, records, speed, is_strict
        self.recorded = list(recorded or ())
        self.plays = recorded is not None
        self.unmatched: list[Unmatched] = []
        self.left_out: list[str] = []  # requests that a recording cannot hold, in words
        self._forms = [Form(call.question) for call in self.recorded]
        self._used = [False] * len(self.recorded)
        self._exact: dict[str, _Track] = defaultdict(_Track)
        self._loose: dict[str, _Track] = defaultdict(_Track)
        for index, form in enumerate(self._forms):
            self._exact[form.exact].indexes.append(index)
            self._loose[form.loose].indexes.append(index)
        self._begun = 0
        self._taken: list[Taken] = []

    # Answering.

    def find(self, asked: Question) -> RecordedCall | Unmatched:
        """The recorded call that is this one, used up by it. Identical calls are answered in recorded order."""
        form = Form(asked)
        index = self._next_in_order(form) if self.is_strict else self._next(form)
        if index is None:
            missed = Unmatched(self._why(form))
            if not self.records:
                self.unmatched.append(missed)
            return missed
        self._used[index] = True
        return self.recorded[index]

    def _next(self, form: Form) -> int | None:
        exact, loose = self._exact.get(form.exact), self._loose.get(form.loose)
        for track in (exact, loose):
            if track and (found := track.waiting(self._used)) is not None:
                return found
        last = exact or loose
        return last.indexes[-1] if last else None

    def _next_in_order(self, form: Form) -> int | None:
        index = self._first_unused()
        return index if index is not None and self._forms[index].loose == form.loose else None

    def _first_unused(self) -> int | None:
        return next((index for index, is_used in enumerate(self._used) if not is_used), None)

    def _why(self, form: Form) -> str:
        asked = form.question
        what = " ".join(filter(None, (asked.method, asked.target.partition("?")[0], form.model and f"({form.model})")))
        index = self._first_unused() if self.is_strict else nearest(form, self._forms)
        if index is None:
            why = "all its calls are used up" if self.recorded else "it has no calls"
            return f"{self.path} has no answer for {what}: {why}"
        order = "the next call in it is" if self.is_strict else "the nearest is"
        lines = differences(form, self._forms[index]) or ["the same call; it comes in another order"]
        changes = "".join(f"\n  {line}" for line in lines)
        return f"{self.path} has no answer for {what}; {order} call {index + 1}, which differs:{changes}"

    def unused(self) -> list[int]:
        """The numbers of the recorded calls that were not asked for, from 1."""
        return [number for number, is_used in enumerate(self._used, 1) if not is_used]

    @property
    def problems(self) -> list[str]:
        """What fails a strict replay, in words."""
        unused = self.unused() if self.is_strict else []
        if not unused:
            return [missed.message for missed in self.unmatched]
        named = ", ".join(map(str, unused[:10])) + (", ..." if len(unused) > 10 else "")
        return [
            *(missed.message for missed in self.unmatched),
            f"{self.path}: {len(unused)} of {len(self.recorded)} recorded calls were not made: {named}",
        ]

    # Recording.

    def begin(self) -> int:
        self._begun += 1
        return self._begun

    def take(self, taken: Taken) -> None:
        self._taken.append(taken)

    @property
    def added(self) -> int:
        """How many calls were recorded."""
        return len(self._taken)

    def save(self) -> None:
        """Write the file, unless nothing was recorded: an older one stays then. Raises OSError."""
        if self._taken:
            write(self.path, [*self.recorded, *self._clean()])

    def _clean(self) -> Iterator[RecordedCall]:
        for taken in sorted(self._taken, key=lambda each: each.number):
            yield without_secrets(taken)


def question(
    *,
    provider: str,
    method: str,
    target: str,
    body: bytes,
    encoding: str | None,
    content_type: str,
    credentials: Sequence[bytes],
) -> Question:
    """A call as it is compared and written: its body decoded, secrets masked."""
    decoded, _ = decode(body, encoding)
    return Question(
        provider=provider,
        method=method,
        target=target,
        body=masked(decoded, credentials),
        content_type=content_type if "boundary=" in content_type else "",
    )


def without_secrets(taken: Taken) -> RecordedCall:
    """The call as it may be in a file. A compressed answer is decoded, which makes it one piece."""
    call, asked = taken.call, taken.call.question
    pieces, headers = call.pieces, dict(call.headers)
    if (encoding := headers.get("content-encoding")) and call.cut is None:
        body, is_whole = decode(b"".join(piece.data for piece in pieces), encoding)
        if is_whole:
            pieces = (Piece(pieces[0].at_ms if pieces else call.head_at_ms, body),)
            del headers["content-encoding"]
    cleaned = question(
        provider=asked.provider,
        method=asked.method,
        target=asked.target,
        body=asked.body,
        encoding=taken.request_encoding,
        content_type=asked.content_type,
        credentials=taken.credentials,
    )
    return replace(call, question=cleaned, headers=headers, pieces=tuple(_masked(pieces, taken.credentials)))


def _masked(pieces: Sequence[Piece], credentials: Sequence[bytes]) -> Iterator[Piece]:
    """Masked as a whole and cut again where it was cut: a key may lie across two pieces."""
    whole, begin = masked(b"".join(piece.data for piece in pieces), credentials), 0
    for piece in pieces:
        yield Piece(piece.at_ms, whole[begin : begin + len(piece.data)])
        begin += len(piece.data)


def recording(path: Path) -> Tape:
    """A tape that records anew. Raises RecordingError rather than replace a file that is not a recording."""
    try:
        if path.exists() and not is_recording(path):
            raise RecordingError(f"{path}: not a recording, so it is not replaced; name another file")
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error
    return Tape(path, None, records=True)


def replaying(path: Path, *, speed: float = 1.0, is_strict: bool = False, records_missing: bool = False) -> Tape:
    """A tape that answers. Raises RecordingError; a file that is not there is an empty one where missing calls are added."""
    recorded = [] if records_missing and not path.exists() else read(path)
    return Tape(path, recorded, records=records_missing, speed=speed, is_strict=is_strict)
