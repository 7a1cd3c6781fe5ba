"""A few hundred varied calls through the proxy, as a team of programs would make them: the traffic of the demo.

Planned from a fixed seed (`plan_calls`, pure), then sent by a few threads over plain HTTP. It must run where only the
runtime dependencies are installed, so no SDK here.
"""

import http.client
import json
import queue
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from addon.demo.answer import Json
from addon.demo.behaviour import HEADER

WORKERS: Final = 8
SEED: Final = 20251001
TIMEOUT_S: Final = 30.0

OPENAI_MODELS: Final = {"gpt-4o-mini": 8, "gpt-4o": 4, "gpt-4.1": 3, "o4-mini": 2, "house-model-7b": 1}
ANTHROPIC_MODELS: Final = {"claude-haiku-4-5": 5, "claude-sonnet-4-5": 4}
USERS: Final = {"ada": 9, "grace": 6, "edsger": 4, "barbara": 3, "donald": 2, "margaret": 1}
FEATURES: Final = {"support-chat": 5, "search": 3, "summary": 3, "code-review": 2}
QUESTIONS: Final = (
    "Where is my parcel? It should have arrived on Tuesday.",
    "Summarise the minutes of the last three meetings in five points.",
    "Does this change leak a file descriptor when the parser fails?",
    "Which of our plans includes single sign-on, and what does it cost for forty people?",
    "Translate the release notes into French and keep the names of the commands.",
)
HANDBOOK: Final = (
    "Be brief, be kind, and never promise a refund that you cannot see in the ledger. " * 90
)  # ~1,400 words
TROUBLES: Final = (  # one in twelve calls goes wrong, in turn
    "status=429;retry-after=2",
    "status=500",
    "cut=5;chunk-delay=0.002",
    "status=529",
    "error-after=4",
    "no-answer",
)
LEAVES: Final = "leave"  # not a setting of the provider: the program itself goes away


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """One call of the plan."""

    path: str  # with the provider's prefix, under the proxy's address
    headers: dict[str, str]
    body: Json
    leaves_early: bool = False  # closes the connection after the first bytes of the answer


@dataclass(slots=True, kw_only=True)
class LoadResult:
    """What the programs saw. A call that was cut or left counts under the status it had got."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0  # answers that ended before their end
    left: int = 0  # programs that went away


def plan_calls(calls: int) -> Iterator[PlannedCall]:
    """The same `calls` calls every time. About a third belong to sessions of three to five steps."""
    dice = random.Random(SEED)
    made = 0
    troubles = 0
    while made < calls:
        who = _person(dice)
        if dice.random() < 0.12:
            steps = ["/plan", *(f"/plan/search-{number}" for number in range(dice.randint(1, 3))), "/plan/answer"]
            session_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
            session = {"Helicone-Session-Id": session_id, "Helicone-Session-Name": "Research agent"}
            headers = [who | session | {"Helicone-Session-Path": step} for step in steps]
        else:
            headers = [who]
        for turn, own in enumerate(headers[: calls - made]):
            trouble = ""
            if dice.random() < 1 / 12:
                trouble = (*TROUBLES, LEAVES)[troubles % (len(TROUBLES) + 1)]
                troubles += 1
            yield _call(dice, own, turn, trouble)
        made += len(headers)


def run_load(base_url: str, calls: int = 300, progress: Callable[[int], None] | None = None) -> LoadResult:
    """Send the plan through the proxy at `base_url`; `progress` is told how many calls are done, from one thread at a time.

    A proxy that cannot be reached raises OSError. What providers do wrong is part of the plan and is counted.
    """
    plan: queue.SimpleQueue[PlannedCall] = queue.SimpleQueue()
    for call in plan_calls(calls):
        plan.put(call)
    result = LoadResult()
    lock = threading.Lock()
    errors: list[Exception] = []

    def work() -> None:
        connection: http.client.HTTPConnection | None = None
        address = urlsplit(base_url)
        try:
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
            while not errors:
                try:
                    call = plan.get_nowait()
                except queue.Empty:
                    return
                status, is_whole = send(connection, call)
                with lock:
                    result.calls += 1
                    result.statuses[status] += 1
                    result.left += call.leaves_early
                    result.broken += not is_whole and not call.leaves_early
                    if progress:
                        progress(result.calls)
        except Exception as error:  # a thread cannot raise to its caller: run_load does, below
            errors.append(error)
        finally:
            if connection:
                connection.close()

    workers = [threading.Thread(target=work, name=f"load-{number}") for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return result


def send(connection: http.client.HTTPConnection, call: PlannedCall) -> tuple[int, bool]:
    """(status, whether the whole answer came); status 0: the connection ended before any answer.

    The connection is kept for the next call, or reopened by it.
    """
    connection.request("POST", call.path, json.dumps(call.body).encode(), call.headers)
    try:
        response = connection.getresponse()
    except http.client.RemoteDisconnected:
        connection.close()
        return 0, False
    try:
        if call.leaves_early:
            response.read(1)
            response.close()  # the response holds the socket open as well
            connection.close()
            return response.status, False
        response.read()
    except (http.client.IncompleteRead, ConnectionResetError):
        connection.close()
        return response.status, False
    return response.status, True


def _person(dice: random.Random) -> dict[str, str]:
    environment = "production" if dice.random() < 0.8 else "staging"
    return {
        "Helicone-User-Id": _pick(dice, USERS),
        "Helicone-Property-Feature": _pick(dice, FEATURES),
        "Helicone-Property-Environment": environment,
        "User-Agent": f"demo-{environment}/1.0",
    }


def _call(dice: random.Random, headers: dict[str, str], turn: int, trouble: str) -> PlannedCall:
    """One call of a person, the `turn`-th of its session, with this trouble (or "")."""
    needs_stream = trouble.startswith(("cut", "error-after", LEAVES))
    # A delay of tens of milliseconds gives the latency report something to show and the demo a pace to watch.
    fake = f"delay={dice.uniform(0.01, 0.12):.3f};words={dice.randint(8, 90)};chunk-delay={dice.uniform(0, 0.003):.4f}"
    if trouble == LEAVES:
        fake = "words=400;chunk-delay=0.005"
    elif trouble:
        fake = f"{fake};{trouble}"
    headers = headers | {"Content-Type": "application/json", HEADER: fake}
    is_stream = needs_stream or dice.random() < 0.5
    question = dice.choice(QUESTIONS)
    has_handbook = dice.random() < 0.35
    if dice.random() < 0.4:
        path, body = _anthropic(dice, question, has_handbook, turn, is_stream)
        headers |= {"x-api-key": "sk-ant-demo", "anthropic-version": "2023-06-01"}
    else:
        path, body = _openai(dice, question, has_handbook, is_stream, needs_stream)
        headers |= {"Authorization": "Bearer sk-demo"}
    return PlannedCall(path=path, headers=headers, body=body, leaves_early=trouble == LEAVES)


def _openai(
    dice: random.Random, question: str, has_handbook: bool, is_stream: bool, needs_stream: bool
) -> tuple[str, Json]:
    """(path, body). Half of the chat streams ask for their usage; the others have to be estimated."""
    kind = dice.random()
    model = _pick(dice, OPENAI_MODELS)
    if kind < 0.15 and not needs_stream:
        return "/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": question, "dimensions": 64}
    if kind < 0.4:
        instructions = HANDBOOK if has_handbook else "Be brief."
        body = {"model": model, "instructions": instructions, "input": question, "stream": is_stream}
        return "/openai/v1/responses", body
    system = [{"role": "system", "content": HANDBOOK}] if has_handbook else []
    chat: Json = {"model": model, "messages": [*system, {"role": "user", "content": question}]}
    if is_stream:
        chat["stream"] = True
        if dice.random() < 0.5:
            chat["stream_options"] = {"include_usage": True}
    return "/openai/v1/chat/completions", chat


def _anthropic(dice: random.Random, question: str, has_handbook: bool, turn: int, is_stream: bool) -> tuple[str, Json]:
    """(path, body). The handbook is marked for the cache: a first turn writes it, later ones read it."""
    messages: list[Json] = [{"role": "user", "content": question}]
    if turn or dice.random() < 0.5:
        messages += [{"role": "assistant", "content": "Let me see."}, {"role": "user", "content": "Go on, please."}]
    body: Json = {
        "model": _pick(dice, ANTHROPIC_MODELS),
        "max_tokens": 1024,
        "messages": messages,
        "stream": is_stream,
    }
    if has_handbook:
        mark = {"type": "ephemeral", "ttl": "1h"} if dice.random() < 0.3 else {"type": "ephemeral"}
        body["system"] = [{"type": "text", "text": HANDBOOK, "cache_control": mark}]
    return "/anthropic/v1/messages", body


def _pick(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]
