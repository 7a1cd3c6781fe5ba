"""How a fake provider can misbehave, for one answer: scripted in Python, or by the header `x-fake` of a request.

x-fake: status=429;retry-after=2;delay=0.1
x-fake: chunk-delay=0.01;cut=5
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import brotli
import zstandard

from addon.config.mistakes import did_you_mean
from addon.demo.answer import Answer

HEADER: Final = "x-fake"
_LONGEST_S: Final = 3600.0  # of a delay
JSON_PARTS: Final = 8  # a JSON body that is to be cut or to come slowly is sent in about so many pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What is unusual about one answer. Pieces are the events of a stream, or the eighths of a JSON body."""

    status: int | None = None  # an error of this status, in the dialect of the path
    headers: tuple[tuple[str, str], ...] = ()  # added to the answer, or in place of what it has under that name
    delay_s: float = 0.0  # before the headers
    chunk_delay_s: float = 0.0  # before each piece
    cut_after: int | None = None  # hang up after so many pieces
    error_after: int | None = None  # of a stream: an error event after so many pieces, then its regular end
    reset: bool = False  # hang up by RST instead of FIN
    no_answer: bool = False  # hang up instead of answering
    encoding: str | None = None  # gzip, deflate, br, zstd, or "lie": says gzip and is not
    words: int | None = None  # the answer's length
    say: str | None = None  # the answer's own words
    body: bytes | None = None  # these bytes as they are, in place of the answer
    content_type: str | None = None
    echo: bool = False  # the request's own body comes back


def parse_behaviour(text: str) -> Behaviour:
    """Behaviour from the header's value. ValueError names the setting that cannot be read."""
    behaviour = Behaviour()
    for setting in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = setting.partition("=")
        try:
            behaviour = SETTINGS[name](behaviour, value)
        except KeyError:
            near = did_you_mean(name, SETTINGS)
            raise ValueError(f"{HEADER}: unknown setting {name!r}{near}; there are {', '.join(SETTINGS)}") from None
        except ValueError as error:
            raise ValueError(f"{HEADER}: {name}: {error}") from error
    return behaviour


def _with_header(behaviour: Behaviour, name: str, value: str) -> Behaviour:
    return replace(behaviour, headers=(*behaviour.headers, (name, value)))


def _encoding(name: str) -> str:
    if name != "lie" and name not in COMPRESSORS:
        raise ValueError(f"{name!r} is not known; allowed are lie, {', '.join(COMPRESSORS)}")
    return name


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _status(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 200 <= int(text) <= 599):
        raise ValueError(f"{text!r} is not an HTTP status from 200 to 599")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _LONGEST_S:
        raise ValueError(f"{text!r} is not a number of seconds from 0 to {_LONGEST_S:g}")
    return seconds


def _flag(value: str) -> bool:
    return value not in ("0", "false")


SETTINGS: Final[dict[str, Callable[[Behaviour, str], Behaviour]]] = {
    "status": lambda behaviour, value: replace(behaviour, status=_status(value)),
    "retry-after": lambda behaviour, value: _with_header(behaviour, "retry-after", value),
    "delay": lambda behaviour, value: replace(behaviour, delay_s=_seconds(value)),
    "chunk-delay": lambda behaviour, value: replace(behaviour, chunk_delay_s=_seconds(value)),
    "cut": lambda behaviour, value: replace(behaviour, cut_after=_count(value)),
    "error-after": lambda behaviour, value: replace(behaviour, error_after=_count(value)),
    "reset": lambda behaviour, value: replace(behaviour, reset=_flag(value)),
    "no-answer": lambda behaviour, value: replace(behaviour, no_answer=_flag(value)),
    "encoding": lambda behaviour, value: replace(behaviour, encoding=_encoding(value)),
    "words": lambda behaviour, value: replace(behaviour, words=_count(value)),
    "say": lambda behaviour, value: replace(behaviour, say=value),
    "body": lambda behaviour, value: replace(behaviour, body=value.encode("latin-1")),
    "type": lambda behaviour, value: replace(behaviour, content_type=value),
    "echo": lambda behaviour, value: replace(behaviour, echo=_flag(value)),
}


def misbehave(answer: Answer, behaviour: Behaviour, request_body: bytes, error_event: bytes) -> Answer:
    """`answer` as `behaviour` wants it: content and headers. Delays and hanging up are the connection's part."""
    if behaviour.echo:
        answer = replace(answer, content_type="application/octet-stream", pieces=(request_body,))
    if behaviour.body is not None:
        answer = replace(answer, content_type="text/plain", pieces=(behaviour.body,))
    if behaviour.content_type is not None:
        answer = replace(answer, content_type=behaviour.content_type)
    if behaviour.error_after is not None and answer.is_stream:
        answer = replace(answer, pieces=(*answer.pieces[: behaviour.error_after], error_event))
    if behaviour.encoding is not None:
        name = "gzip" if behaviour.encoding == "lie" else behaviour.encoding
        pieces = answer.pieces if behaviour.encoding == "lie" else tuple(compressed(answer.pieces, name))
        answer = replace(answer, headers=(*answer.headers, ("content-encoding", name)), pieces=pieces)
    if not answer.is_stream and (behaviour.cut_after is not None or behaviour.chunk_delay_s):
        answer = replace(answer, pieces=_eighths(b"".join(answer.pieces)))
    named = {name for name, _ in behaviour.headers}
    kept = tuple(header for header in answer.headers if header[0] not in named)
    return replace(answer, headers=(*kept, *behaviour.headers))


def compressed(pieces: tuple[bytes, ...], encoding: str) -> Iterator[bytes]:
    """Each piece compressed and flushed, so that a reader gets every event when it comes; joined, one valid body."""
    compress, finish = COMPRESSORS[encoding]()
    for piece in pieces[:-1]:
        yield compress(piece)
    yield compress(pieces[-1]) + finish()


def _eighths(body: bytes) -> tuple[bytes, ...]:
    size = max(1, -(-len(body) // JSON_PARTS))
    return tuple(body[start : start + size] for start in range(0, len(body), size))


type Compressor = tuple[Callable[[bytes], bytes], Callable[[], bytes]]  # one piece, and the end


def _zlib(window_bits: int) -> Compressor:
    stream = zlib.compressobj(wbits=window_bits)
    return lambda piece: stream.compress(piece) + stream.flush(zlib.Z_SYNC_FLUSH), stream.flush


def _brotli() -> Compressor:
    stream = brotli.Compressor(quality=4)
    return lambda piece: stream.process(piece) + stream.flush(), stream.finish


def _zstd() -> Compressor:
    stream = zstandard.ZstdCompressor().compressobj()
    block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
    return lambda piece: stream.compress(piece) + stream.flush(block), stream.flush


COMPRESSORS: Final[dict[str, Callable[[], Compressor]]] = {
    "gzip": lambda: _zlib(31),
    "deflate": lambda: _zlib(15),
    "br": _brotli,
    "zstd": _zstd,
}
