"""The calls of the demo, as a team of programs would make them. Pure: planned from a fixed seed, the same every time.

Single questions, conversations, agents with tools, a help page that is answered from the cache, and a nightly import that
runs into its limit. One question in six goes wrong.
"""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Final

from addon.demo import anthropic_answers
from addon.demo.answer import Json
from addon.demo.behaviour import HEADER

SEED: Final = 20251001

OPENAI_MODELS: Final = {"gpt-4o-mini": 8, "gpt-4o": 4, "gpt-4.1": 3, "o4-mini": 2, "house-model-7b": 1}
ANTHROPIC_MODELS: Final = {"claude-haiku-4-5": 5, "claude-sonnet-4-5": 4}
USERS: Final = {"ada": 9, "grace": 6, "edsger": 4, "barbara": 3, "donald": 2, "margaret": 1}
FEATURES: Final = {"support-chat": 5, "search": 3, "summary": 3, "code-review": 2}
ANSWERS: Final = {  # by question, in sentences: an answer is some of them
    "Where is my parcel? It should have arrived on Tuesday.": (
        "I am sorry that it is late.",
        "Your parcel left our warehouse on Monday and has been at the depot in Leiden since this morning.",
        "It is on the van and should be with you before six.",
        "If nobody is at home, the driver leaves it with the neighbour whom you named in your account.",
        "Would you like a message when it is ten stops away?",
    ),
    "Summarise the minutes of the last three meetings in five points.": (
        "1. The release moves to the 14th, so that the import can be tested with real files.",
        "2. Grace owns the migration, and Edsger reviews it.",
        "3. The budget for models is raised by a fifth until the end of the quarter.",
        "4. Support wants one page that says which plan has which limit.",
        "5. The next meeting is on Thursday at ten.",
    ),
    "Does this change leak a file descriptor when the parser fails?": (
        "Yes, on one path.",
        "`open()` comes before the `try`, and `parse()` can raise before the file is handed over.",
        "Put the call into a `with` block, or close the file in `finally`.",
        "A test with a truncated file would have shown it: there are none for the error path.",
    ),
    "Which of our plans includes single sign-on, and what does it cost for forty people?": (
        "Single sign-on is part of the Business plan.",
        "For forty people that is 480 euros a month, or 4,800 a year when it is paid at once.",
        "The Team plan has it as an option for 3 euros for each person.",
        "Both can be tried for thirty days.",
    ),
    "Translate the release notes into French and keep the names of the commands.": (
        "Nouveautés de cette version.",
        "La commande `export` écrit aussi des fichiers Parquet.",
        "`report` accepte plusieurs noms après `--by`.",
        "Une erreur dans `import` a été corrigée : les lignes vides ne sont plus comptées.",
    ),
}
FOLLOW_UPS: Final = (
    "Can you say that in one sentence?",
    "Thank you. And what if I am away on Friday?",
    "How sure are you of that?",
)
HELP_QUESTIONS: Final = (
    "How do I reset my password?",
    "Which file formats can I import?",
    "Where do I find my invoices?",
)
HELP_ANSWERS: Final = (
    "Open the sign-in page, choose Forgot password, and follow the link in the mail. It is valid for one hour.",
    "CSV, JSON Lines and Parquet, each up to two gigabytes. Excel files have to be saved as CSV first.",
    "Under Settings, Billing. Each invoice can be downloaded as PDF, and the accountants can be sent a copy.",
)
HANDBOOK: Final = (
    "Be brief, be kind, and never promise a refund that you cannot see in the ledger. " * 90
)  # ~1,400 words
SEARCH_TOOL: Final = "search_handbook"
SEARCHES: Final = ("delivery times", "single sign-on prices", "refunds after thirty days")
FOUND: Final = (
    "Handbook, section 4: parcels that are a day late are traced, those that are three days late are sent again.",
    "Handbook, section 9: single sign-on costs 3 euros for each person, and is free from the Business plan on.",
    "Handbook, section 2: refunds within thirty days without a question, later ones by the head of support.",
)
IMPORTS: Final = 12  # calls of the nightly import, of which its own limit refuses the last two
IMPORT_LIMIT: Final = "10;w=3600;s=user"

RETRIED: Final = "retried"  # fails twice: the proxy's one retry does not help
RESCUED: Final = "rescued"  # fails once, and the fallback answers
LEAVES: Final = "leave"  # the program itself goes away
TROUBLES: Final = (  # one question in six, in turn
    "status=429;retry-after=2",
    RESCUED,
    "status=500",
    "cut=5;chunk-delay=0.002",
    RETRIED,
    "status=529",
    "error-after=4",
    "no-answer",
    LEAVES,
)
_STREAMED: Final = ("cut", "error-after", LEAVES)  # troubles that only a stream has
_OPENAI_KEY: Final = {"Authorization": "Bearer sk-demo"}
_ANTHROPIC_KEY: Final = {"x-api-key": "sk-ant-demo", "anthropic-version": "2023-06-01"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """One call of the plan."""

    path: str  # with the provider's prefix, under the proxy's address
    headers: dict[str, str]
    body: Json
    leaves_early: bool = False  # closes the connection after the first words of the answer


type Run = list[PlannedCall]  # what one program does, one call after the other


def plan_runs(calls: int) -> Iterator[Run]:
    """Runs of together `calls` calls, the same every time."""
    left = calls
    for run in _runs():
        yield run[:left]
        left -= len(run)
        if left <= 0:
            return


def plan_calls(calls: int) -> list[PlannedCall]:
    """The calls of these runs in one list."""
    return [call for run in plan_runs(calls) for call in run] if calls else []


def _runs() -> Iterator[Run]:
    """Endlessly: mostly single questions; the rest in a fixed rhythm, so that a short plan has some of each."""
    dice = random.Random(SEED)
    troubles = count()
    for number in count():
        headers = _person(dice)
        if number == 30:
            yield _nightly_import(dice)
        elif number % 12 == 2:
            yield _agent(dice, headers)
        elif number % 12 == 8:
            yield _conversation(dice, headers)
        elif number % 6 == 4:
            yield [_help_page(dice, headers)]
        else:
            trouble = TROUBLES[next(troubles) % len(TROUBLES)] if dice.random() < 1 / 6 else ""
            yield [_question(dice, headers, trouble)]


def _person(dice: random.Random) -> dict[str, str]:
    environment = "production" if dice.random() < 0.8 else "staging"
    return {
        "Helicone-User-Id": _pick(dice, USERS),
        "Helicone-Property-Feature": _pick(dice, FEATURES),
        "Helicone-Property-Environment": environment,
        "User-Agent": f"demo-{environment}/1.0",
        "Content-Type": "application/json",
    }


def _question(dice: random.Random, headers: dict[str, str], trouble: str) -> PlannedCall:
    """One question of a person, with this trouble (or "")."""
    question = dice.choice(list(ANSWERS))
    fake = _fake(dice, _sentences(dice, question))
    if trouble == LEAVES:
        fake = "words=400;chunk-delay=0.15"  # slow, so that the proxy has got no word more than its caller
    elif trouble == RETRIED:
        fake = f"{fake};status=503"
        headers = headers | {
            "Helicone-Retry-Enabled": "true",
            "Helicone-Retry-Num": "1",
            "Helicone-Retry-Min-Timeout": "50",
        }
    elif trouble and trouble != RESCUED:
        fake = f"{fake};{trouble}"
    needs_stream, is_rescued = trouble.startswith(_STREAMED), trouble == RESCUED
    is_stream = needs_stream or dice.random() < 0.5
    has_handbook = dice.random() < 0.35
    if dice.random() < 0.4 and not is_rescued:
        path, body = _anthropic(dice, question, has_handbook, is_stream)
        key = _ANTHROPIC_KEY
    else:
        path, body = _openai(dice, question, has_handbook, is_stream, must_be_chat=needs_stream or is_rescued)
        key = _OPENAI_KEY
    headers = headers | key | {HEADER: fake}
    if is_rescued:
        headers["Helicone-Fallbacks"] = _fallbacks(fake)
    return PlannedCall(path=path, headers=headers, body=body, leaves_early=trouble == LEAVES)


def _fallbacks(fake: str) -> str:
    """The header's value: OpenAI, which is overloaded, then another provider and model."""
    overloaded = {
        "target-url": "https://api.openai.com",
        "headers": _OPENAI_KEY | {HEADER: "status=503;delay=0.03"},
        "onCodes": [503],
    }
    answers = {
        "target-url": "https://api.groq.com/openai/v1",
        "headers": {"Authorization": "Bearer gsk-demo", HEADER: fake},
        "onCodes": [],
        "bodyKeyOverride": {"model": "llama-3.3-70b-versatile"},
    }
    return json.dumps([overloaded, answers])


def _agent(dice: random.Random, headers: dict[str, str]) -> Run:
    """An agent: asks for a search, has one to three done by a smaller model, and answers with what was found."""
    headers = headers | _session(dice, "Research agent")
    question = dice.choice(list(ANSWERS))
    model = _pick(dice, ANTHROPIC_MODELS)
    tool = {
        "name": SEARCH_TOOL,
        "description": "Searches the handbook.",
        "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    }
    mark = {"type": "ephemeral"}
    plan: Json = {
        "model": model,
        "max_tokens": 1024,
        "system": [{"type": "text", "text": HANDBOOK, "cache_control": mark}],
        "tools": [tool],
        "tool_choice": {"type": "tool", "name": SEARCH_TOOL},
        "messages": [{"role": "user", "content": question}],
        "stream": dice.random() < 0.5,
    }
    announced = "I look it up in the handbook first."
    searches = dice.sample(range(len(SEARCHES)), dice.randint(1, len(SEARCHES)))
    found = "\n".join(FOUND[number] for number in searches)
    called = _answered(plan, announced)
    (call,) = (block for block in called if block["type"] == "tool_use")
    result = [{"type": "tool_result", "tool_use_id": call["id"], "content": found}]
    # The prompt begins with the time, so nothing of it is read from the provider's cache.
    has_clock = dice.random() < 0.4
    system = [{"type": "text", "text": f"It is 09:41:07. {HANDBOOK}"}]
    answer = (
        plan
        | ({"system": system} if has_clock else {})
        | {
            "tool_choice": {"type": "auto"},
            "messages": [
                *plan["messages"],
                {"role": "assistant", "content": called},
                {"role": "user", "content": result},
            ],
        }
    )
    return [
        _message(headers, "/plan", plan, _fake(dice, announced)),
        *(_search(dice, headers, number) for number in searches),
        _message(headers, "/plan", answer, _fake(dice, _sentences(dice, question))),
    ]


def _search(dice: random.Random, headers: dict[str, str], number: int) -> PlannedCall:
    """The sub-agent's call of an agent."""
    body: Json = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Quote the passage of the handbook that fits."},
            {"role": "user", "content": SEARCHES[number]},
        ],
    }
    path = f"/plan/search-{number + 1}"
    headers = headers | _OPENAI_KEY | {"Helicone-Session-Path": path, HEADER: _fake(dice, FOUND[number])}
    return PlannedCall(path="/openai/v1/chat/completions", headers=headers, body=body)


def _conversation(dice: random.Random, headers: dict[str, str]) -> Run:
    """Two to four turns with a person; each call repeats those before it."""
    headers = headers | _session(dice, "Support chat") | {"Helicone-Prompt-Id": "support-chat"}
    question = dice.choice(list(ANSWERS))
    model = _pick(dice, ANTHROPIC_MODELS)
    messages: list[Json] = []
    run: Run = []
    for asked in (question, *islice(FOLLOW_UPS, dice.randint(1, len(FOLLOW_UPS)))):
        messages = [*messages, {"role": "user", "content": asked}]
        body: Json = {
            "model": model,
            "max_tokens": 1024,
            "system": "You help the customers of a parcel service. Be brief.",
            "messages": messages,
            "stream": True,
        }
        said = _sentences(dice, question)
        run.append(_message(headers, "/chat", body, _fake(dice, said)))
        messages = [*messages, {"role": "assistant", "content": said}]
    return run


def _message(headers: dict[str, str], path: str, body: Json, fake: str) -> PlannedCall:
    """A call of Anthropic's API in a session."""
    headers = headers | _ANTHROPIC_KEY | {"Helicone-Session-Path": path, HEADER: fake}
    return PlannedCall(path="/anthropic/v1/messages", headers=headers, body=body)


def _answered(body: Json, said: str) -> list[Json]:
    """The blocks of the made-up provider's answer."""
    (piece,) = anthropic_answers.messages(body | {"stream": False}, said).pieces
    content: list[Json] = json.loads(piece)["content"]
    return content


def _help_page(dice: random.Random, headers: dict[str, str]) -> PlannedCall:
    """A question that many ask, with the cache on. What decides its key is the same each time."""
    number = dice.choices(range(len(HELP_QUESTIONS)), (3, 2, 1))[0]
    body: Json = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": HANDBOOK},
            {"role": "user", "content": HELP_QUESTIONS[number]},
        ],
    }
    cached = {"Helicone-Cache-Enabled": "true", "Cache-Control": "max-age=86400", "Helicone-Property-Feature": "help"}
    fake = f"delay=0.3;say={HELP_ANSWERS[number]}"
    headers = headers | cached | _OPENAI_KEY | {HEADER: fake}
    return PlannedCall(path="/openai/v1/chat/completions", headers=headers, body=body)


def _nightly_import(dice: random.Random) -> Run:
    """Embeddings of one program that has a limit of its own."""
    headers = _OPENAI_KEY | {
        "Helicone-User-Id": "nightly-import",
        "Helicone-Property-Feature": "search",
        "Helicone-Property-Environment": "production",
        "Helicone-RateLimit-Policy": IMPORT_LIMIT,
        "User-Agent": "nightly-import/2.3",
        "Content-Type": "application/json",
    }
    return [
        PlannedCall(
            path="/openai/v1/embeddings",
            headers=headers | {HEADER: f"delay={dice.uniform(0.01, 0.05):.3f}"},
            body={"model": "text-embedding-3-small", "input": f"{HANDBOOK} {number}", "dimensions": 64},
        )
        for number in range(IMPORTS)
    ]


def _openai(
    dice: random.Random, question: str, has_handbook: bool, is_stream: bool, must_be_chat: bool
) -> tuple[str, Json]:
    """(path, body). Half of the chat streams ask for their usage; the others have to be estimated."""
    kind = dice.random()
    model = _pick(dice, OPENAI_MODELS)
    if kind < 0.15 and not must_be_chat:
        return "/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": question, "dimensions": 64}
    if kind < 0.4 and not must_be_chat:
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


def _anthropic(dice: random.Random, question: str, has_handbook: bool, is_stream: bool) -> tuple[str, Json]:
    """(path, body). The handbook is marked for the cache: a first turn writes it, later ones read it."""
    messages: list[Json] = [{"role": "user", "content": question}]
    if dice.random() < 0.5:
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


def _session(dice: random.Random, name: str) -> dict[str, str]:
    return {
        "Helicone-Session-Id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        "Helicone-Session-Name": name,
    }


def _fake(dice: random.Random, said: str) -> str:
    """The provider's behaviour: delays of tens of milliseconds give the latency report something to show."""
    return f"delay={dice.uniform(0.01, 0.12):.3f};chunk-delay={dice.uniform(0, 0.003):.4f};say={said}"


def _sentences(dice: random.Random, question: str) -> str:
    """An answer to that question."""
    sentences = ANSWERS[question]
    return " ".join(sentences[: dice.randint(1, len(sentences))])


def _pick(dice: random.Random, weights: dict[str, int]) -> str:
    return dice.choices(list(weights), list(weights.values()))[0]
