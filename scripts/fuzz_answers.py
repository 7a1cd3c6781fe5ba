"""Answers that no provider should send: every reader makes a row of them, whatever they are, and the same at every split.

    python -m scripts.fuzz_answers [MINUTES]

Searches at random; what it finds is printed with its seed. The tests try a fixed choice of the same answers.
"""

import argparse
import base64
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any, Final

import orjson

from addon.metering.price import PriceList
from addon.metering.terminal import answer_framing
from addon.providers import registry
from addon.providers.fields import parse
from addon.providers.framing import aws_event_stream
from addon.providers.framing.table import events
from addon.providers.model import Operation, Provider
from addon.settling.journal_reader import Call
from addon.settling.rows import make_rows
from addon.settling.settled_files import row_fields
from addon.storage.journal_lines import CallEnd, CallStart
from tests.providers.cases.reading import FILES, Case, read_case

PRICES: Final = PriceList()
TYPES: Final = (
    *("application/json", "text/event-stream", "application/vnd.amazon.eventstream", "application/x-ndjson"),
    *("", "audio/mpeg", "text/plain"),
)
LEAVES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 1.5, 1e308, 10**30, 2**63),
    *("", "x", "1.5", "a" * 400, "\ud800", [], {}),
)


@cache
def cases() -> list[Case]:
    return [read_case(file) for file in FILES]


@cache
def operations() -> list[tuple[Provider, Operation]]:
    return [(provider, operation) for provider in registry.PROVIDERS for operation in provider.operations]


@cache
def names() -> list[str]:
    """Every member's name in the cases, so that what is made up gets into the readers' branches."""
    found: set[str] = {"x"}
    for case in cases():
        for chunk in _chunks(case.response):
            found.update(_names(chunk))
    return sorted(found)


def _chunks(body: bytes) -> Iterator[Any]:
    whole = parse(body)
    if whole is not None:
        yield whole
    for line in body.split(b"\n"):
        yield parse(line.removeprefix(b"data:"))


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(inner)


def json_value(dice: random.Random, depth: int = 4) -> Any:
    match dice.randrange(4 if depth else 1):
        case 1:
            return [json_value(dice, depth - 1) for _ in range(dice.randrange(4))]
        case 2 | 3:
            return {dice.choice(names()): json_value(dice, depth - 1) for _ in range(dice.randrange(6))}
    return dice.choice(LEAVES)


def changed_value(dice: random.Random, value: Any) -> Any:
    """The same with one value somewhere in it replaced."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        name = dice.choice(list(value))
        return value | {name: changed_value(dice, value[name])}
    if isinstance(value, list) and value and dice.random() < 0.9:
        place = dice.randrange(len(value))
        return [*value[:place], changed_value(dice, value[place]), *value[place + 1 :]]
    return json_value(dice, 2)


def changed_bytes(dice: random.Random, body: bytes) -> bytes:
    start = dice.randrange(len(body) + 1)
    end = min(len(body), start + dice.choice((0, 1, 2, 20, 10_000)))
    other = dice.choice((b"", dice.randbytes(3), body[start:end] * 2, b"null", b"\n\n", b'"', b"[", b"\xff\x00", b"-1"))
    return body[:start] + other + body[end:]


def dumped(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # a number or a text that orjson does not write
        return repr(value).replace("'", '"').encode("utf-8", "replace")


def answer(dice: random.Random) -> Call:
    """A call of some operation with an answer that is wrong in some way."""
    kind = dice.randrange(4)
    if kind < 2:
        case = dice.choice(cases())
        call, body = case.call(), case.response
        for _ in range(dice.randrange(1, 4)):
            whole = parse(body) if kind == 0 else None
            body = changed_bytes(dice, body) if whole is None else dumped(changed_value(dice, whole))
        return replace(call, response=body)
    provider, operation = dice.choice(operations())
    value = json_value(dice)
    body = dice.randbytes(dice.randrange(60)) if kind == 2 else _framed(dice, dumped(value))
    return _call(dice, provider, operation, body)


def _framed(dice: random.Random, body: bytes) -> bytes:
    """Alone, or as each framing carries it: events, lines (also of a socket), an array, AWS's frames."""
    named = {":message-type": "event", ":event-type": dice.choice(("chunk", "metadata", "output", "trace", "x"))}
    inner = orjson.dumps({"bytes": base64.b64encode(body).decode()})  # of InvokeModel and of agents
    return dice.choice(
        (
            *(body, b"data: " + body + b"\n\n", b"event: error\ndata: " + body + b"\n\n", body + b"\n" + body),
            *(b"[" + body + b"," + body + b"]", b"[" + body),
            *(aws_event_stream.encode(named, body), aws_event_stream.encode(named, inner)),
        )
    )


def _call(dice: random.Random, provider: Provider, operation: Operation, body: bytes) -> Call:
    case = next((case for case in cases() if case.operation is operation), None)
    start = CallStart(
        request_id="made up",
        started_at_us=1_795_262_400_000_000,
        provider_name=provider.name,
        operation_name=operation.name,
        method=operation.method,
        host=case.told["request"]["host"] if case else "example.org",
        path=case.told["request"]["path"] if case else "/",
        mode="forward",
    )
    end = CallEnd(status=dice.choice((200, 200, 200, 400, 500, -3)), content_type=dice.choice(TYPES))
    return Call(call_id="made up", start=start, end=end, request=dumped(json_value(dice)), response=body)


def tried(dice: random.Random) -> None:
    """Raises what a reader, a price rule or a check raises, and AssertionError where a split changes what is read."""
    call = answer(dice)
    for row in make_rows(call, PRICES):
        row_fields(row)
    _, operation = dice.choice(operations())
    framing = answer_framing(operation, dice.choice((call.end.content_type if call.end else None, *TYPES)))
    if framing.decoder is None:
        return
    body, at = call.response, dice.randrange(len(call.response) + 1)
    step = dice.choice((1, 2, 3, 7, 64))
    decoder = framing.decoder()
    pieces = [body[:at], *(body[start : start + step] for start in range(at, len(body), step))]
    found = [event for piece in pieces for event in decoder.feed(piece)]
    assert found + decoder.end() == events(framing, body), f"{framing.name}, split at {at}, then every {step}"
    if operation.terminal and framing.scanner:
        scanner = framing.scanner(operation.terminal)
        in_pieces = [scanner.feed(piece) for piece in pieces]
        assert in_pieces[-1:] in ([], [framing.scanner(operation.terminal).feed(body)]), framing.name
    if operation.read_stream:
        operation.read_stream(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, nargs="?", default=1.0)
    minutes = parser.parse_args().minutes
    seed, until, count = random.SystemRandom().randrange(2**32), time.monotonic() + 60 * minutes, 0
    while time.monotonic() < until:
        try:
            tried(random.Random(seed + count))
        except Exception:
            print(f"seed {seed + count}: {answer(random.Random(seed + count))}", file=sys.stderr)
            raise
        count += 1
    print(f"{count} answers: a row each, the same at every split")
    return 0


if __name__ == "__main__":
    sys.exit(main())
