"""What a call's bodies say: the request's facts, the answer's reading, and the usage that its row gets.

Pure. Odd input leaves fields out; an exception from here is a bug, and the caller's row says so.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from addon.metering.content_coding import decode
from addon.metering.estimate import estimate_tokens
from addon.metering.form import text_fields
from addon.providers.fields import at, items, parse, stream_error, string
from addon.providers.framing.model import Framing
from addon.providers.framing.table import BINARY, JSON, JSON_ARRAY, SSE, body_events
from addon.providers.model import Asked, Json, Operation, Reading, Usage

__all__ = ["RequestFacts", "begins_stream", "decode", "did_no_work", "read_answer", "request_facts", "settle_usage"]

BOM: Final = b"\xef\xbb\xbf"
STREAM_START: Final = re.compile(rb"(?:data|event|id|retry)?:")
# Every message costs a few tokens beside its words, and every answer three to begin it.
# https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
TOKENS_PER_MESSAGE, TOKENS_TO_BEGIN = 4, 3
# Claude Code up to 1.x: user_<hash>_account_<uuid>_session_<uuid>; since then JSON in a string. Kimi Code 2.1: session_<uuid>.
# The pattern takes time with the square of the length, and nobody honest is called by more than a line.
LONGEST_CLAIM: Final = 1000
SESSION_AS_USER: Final = re.compile(r"(?:user_\w*_account_[\w-]*_)?session_([0-9a-f-]{36})")
# Where a request names its model: the second and third are Hyperbolic's and Novita's, then watsonx's and that of a live session
# of OpenAI's, the others Bedrock's (its agents' runtime names it deep inside).
_MODEL_AT: Final = (
    ("model",),
    ("model_name",),
    ("request", "model_name"),
    ("model_id",),
    ("response", "session", "model"),
    ("modelId",),
    ("foundationModel",),
    ("retrieveAndGenerateConfiguration", "knowledgeBaseConfiguration", "modelArn"),
    ("retrieveAndGenerateConfiguration", "externalSourcesConfiguration", "modelArn"),
    ("rerankingConfiguration", "bedrockRerankingConfiguration", "modelConfiguration", "modelArn"),
)


@dataclass(slots=True, kw_only=True)
class RequestFacts:
    """The user, session and model that a request's body names. `session_path`: Codex's kind of sub-agent, over a WebSocket.
    `previous_id`: the response or interaction that the call continues."""

    model: str | None = None
    user: str | None = None
    session_id: str | None = None
    session_path: str | None = None
    previous_id: str | None = None
    sub_agent: str | None = None
    stream: bool = False
    body: Json = None  # the whole of it, parsed


def request_facts(
    body: bytes, content_type: str | None = None, read: Callable[[bytes], Json] | None = None
) -> RequestFacts:
    """`body` is decoded; `read`: `Operation.read_request`. What a body names as its user together with a session
    (Claude Code, Kimi Code) is an installation, not one."""
    fields = text_fields(body, content_type)
    request = read(body) if read else parse(_as_utf8(body)) if fields is None else fields
    told = request if isinstance(request, dict) else {}
    claimed = string(at(told.get("metadata"), "user_id"))
    packed = session = None
    if claimed:
        short = claimed if len(claimed) <= LONGEST_CLAIM else ""
        packed = parse(short) if short.startswith("{") else None
        session = string(at(packed, "session_id"))
        if match := SESSION_AS_USER.fullmatch(short):
            session = match[1]
    conversation = told.get("conversation")  # of OpenAI's Responses API: an id, or an object with it
    previous = string(told.get("previous_response_id")) or string(told.get("previous_interaction_id"))
    client = told.get("client_metadata")
    agent = string(at(client, "x-openai-subagent")) if client else None
    named = (
        string(at(client, "session_id"))
        or string(conversation)
        or string(at(conversation, "id"))
        or string(told.get("session_id"))  # of OpenRouter: https://openrouter.ai/docs/api-reference/chat-completion
    )
    return RequestFacts(
        model=string(told.get("model")) or asked_model(request),
        # OpenAI's name for it today is `safety_identifier`.
        user=string(told.get("user"))
        or string(told.get("safety_identifier"))
        or (None if session or packed else claimed),
        session_id=session or named,
        session_path=f"/{agent}" if agent else None,
        sub_agent=agent,
        previous_id=previous if previous and len(previous) <= LONGEST_CLAIM else None,
        stream=told.get("stream") in (True, "true"),
        body=request,
    )


def asked_model(request: Json) -> str | None:
    """The model that a request's body names."""
    return next((name for keys in _MODEL_AT if (name := string(at(request, *keys)))), None)


def _as_utf8(body: bytes) -> bytes:
    """JSON as servers written in Python take it: with a byte order mark, in UTF-16 or UTF-32. A model must not be hidden
    from limits that way."""
    encoding = json.detect_encoding(body)
    if encoding == "utf-8":
        return body
    try:
        return body.decode(encoding).encode()
    except ValueError:
        return body


def framing_seen(framing: Framing, body: bytes) -> Framing:
    """The framing of a body whose content type says `framing`: a server may leave the type out, or give a plain error
    in answer to a request for a stream."""
    if framing is BINARY:
        return framing
    start = body.removeprefix(BOM).lstrip()[:1]
    if framing is SSE:
        return JSON if start in (b"{", b"[") else SSE
    if framing is JSON_ARRAY:
        return JSON if start == b"{" else JSON_ARRAY
    if framing is JSON and begins_stream(body):
        return SSE
    return framing


def read_answer(operation: Operation, body: bytes, framing: Framing, asked: Asked | None = None) -> Reading:
    """`body` is decoded; `framing` is what its headers say (`terminal.answer_framing`)."""
    return read_seen(operation, body, framing_seen(framing, body), asked)


def read_seen(operation: Operation, body: bytes, framing: Framing, asked: Asked | None = None) -> Reading:
    """The same, where the body was looked at: `framing` is that of `framing_seen`. `asked` is not needed of an operation
    without `with_request`."""
    reading = _read(operation, body, framing)
    if operation.with_request and asked is not None:
        return operation.with_request(reading, asked)
    return reading


def _read(operation: Operation, body: bytes, framing: Framing) -> Reading:
    if framing is BINARY:
        return Reading()
    if framing.is_stream:
        found = body_events(framing, body)
        if operation.read_stream and (found or framing is SSE):
            reading = operation.read_stream(found)
            if reading.error_type is None and framing.is_live and (failure := stream_error(found.last(2))):
                reading = replace(reading, error_type=failure)
            return reading
    # Of a stream that is not one: an error as plain JSON. A JSON array may be the whole answer in one piece.
    return operation.read_json(parse(body.removeprefix(BOM))) if operation.read_json else Reading()


def did_no_work(status: int | None, reading: Reading) -> bool:
    """Whether the call failed before anything was generated. Such a call is not billed, whatever its usage says: only
    words, tools that were used and reasoning show that there was work."""
    if reading.is_unbilled or (status is not None and status >= 400):
        return True
    thought = reading.usage is not None and reading.usage.reasoning_output_tokens
    return reading.error_type is not None and not (reading.text or reading.other_output or reading.units or thought)


def begins_stream(body: bytes) -> bool:
    """Whether it looks like server-sent events."""
    return STREAM_START.match(body.removeprefix(BOM).lstrip()) is not None


def settle_usage(
    operation: Operation, reading: Reading, request: Json, *, is_stream: bool, complete: bool
) -> tuple[Usage | None, str | None]:
    """The tokens of a call and their source: `provider`, `estimated`, or nobody (None, None).

    Only a stream is ever estimated: one that states no usage, or ended before its last word. Then the input is what was
    stated or else counted, the output the larger of the two. Nothing is estimated of an answer that never began, of work
    that goes on without its caller, or where the provider's own numbers are there and we cannot read them.
    """
    if reading.goes_on:
        return None, None
    if says_nothing(reading):
        reading = replace(reading, usage=None, usage_raw=None)
    # A reason to stop and a usage are an answer's last words, also if the terminal event was lost on the way. After an
    # error what was stated so far may leave out the last words.
    is_last = complete and reading.error_type is None and not reading.is_cut
    if reading.usage and (is_last or reading.finish_reasons or not is_stream):
        return reading.usage, "provider"
    began = reading.usage or reading.response_id or reading.text or reading.other_output
    if not is_stream or not began or (reading.usage_raw and not reading.usage):
        return None, None
    if reading.usage is None and did_no_work(None, reading):  # an error before the first word
        return None, None
    if operation.prompt_text is None:  # its words are not its tokens: what was stated so far is all that is known
        return reading.usage, "estimated" if reading.usage else None
    model = reading.response_model or string(at(request, "model"))
    stated = reading.usage or Usage()
    input_tokens, output_tokens = stated.input_tokens, stated.output_tokens
    if input_tokens is None:
        input_tokens = _estimated_input(operation, request, model)
    if spoken := (reading.text or "") + (reading.other_output or ""):  # silence is not a count of 0
        output_tokens = max(output_tokens or 0, estimate_tokens(spoken, model))
    if input_tokens is None and output_tokens is None:
        return None, None
    return replace(stated, input_tokens=input_tokens, output_tokens=output_tokens), "estimated"


def says_nothing(reading: Reading) -> bool:
    """Whether the usage has zeros alone, though there are words: some servers fill in what they did not count. A cost that is
    stated with it is another matter: an answer may come from the provider's cache."""
    usage = reading.usage
    return (
        usage is not None
        and not (usage.input_tokens or usage.output_tokens)
        and bool(reading.text)
        and not reading.units
        and reading.stated_cost_usd is None
        and not reading.is_unbilled
    )


def _estimated_input(operation: Operation, request: Json, model: str | None) -> int | None:
    """None where the request has no words that we can see (left out, or given as token numbers)."""
    prompt = operation.prompt_text(request) if operation.prompt_text else ""
    if not prompt:
        return None
    messages = len(items(at(request, "messages")) or items(at(request, "input")))
    overhead = TOKENS_PER_MESSAGE * messages + TOKENS_TO_BEGIN if messages else 0
    return estimate_tokens(prompt, model) + overhead
