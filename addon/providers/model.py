"""What the proxy and the settler know of a provider: records of functions, no base class.

The proxy needs hosts, operations, the terminal marker and the error dialect; it never reads an answer. The settler
reads: `read_json`, `read_stream` and `with_request` are pure and never raise on odd input (they leave out what they
cannot read).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache

from addon.providers.fields import Json
from addon.providers.framing.model import Event, Framing, Terminal
from addon.providers.framing.table import JSON
from addon.providers.sockets import SocketProtocol

__all__ = ["Asked", "Event", "Framing", "Json", "Operation", "Provider", "Reading", "Terminal", "Usage"]


# Usage and Reading are made several times for each call. Frozen, they take four times as long to make. Without slots, a usage is
# the dict of its columns.
@dataclass(kw_only=True)
class Usage:
    """Tokens of one call. None means the provider did not say; a stated 0 is 0."""

    input_tokens: int | None = None  # total: uncached + cache read + cache creation
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation_1h_input_tokens: int | None = None  # part of cache_creation_input_tokens
    output_tokens: int | None = None  # reasoning included
    reasoning_output_tokens: int | None = None


@dataclass(slots=True, kw_only=True)
class Reading:
    """What an answer says of itself."""

    response_model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    usage: Usage | None = None
    usage_raw: Json = None  # the usage object as stated; of a stream: merged into its final form
    # What is priced beside the tokens of `usage`, by the unit's name in addon/metering/units.py. A part of the tokens
    # with a price of its own (input_audio_tokens) is in `usage` as well; a unit with the count None is known to have
    # been used, how often is not: the call then has no price.
    units: dict[str, Decimal | None] = field(default_factory=dict)
    price_factors: dict[str, str] = field(
        default_factory=dict
    )  # service_tier, speed, region, ...: what changes the price
    stated_cost_usd: Decimal | None = None  # by the provider, with what it bills elsewhere added
    # Known to cost nothing itself: a look at a call that is billed elsewhere, a file that is not the results of a batch.
    is_free: bool = False
    # The work goes on after its call, and a later call may tell what it used (polled.py): nothing is estimated.
    goes_on: bool = False
    # Some of what was asked for is missing: the end of one of several prompts ends a stream for the proxy, which reads no request.
    is_cut: bool = False
    # Not charged by the provider's own rule, though it states what was used: a refusal before any output.
    is_unbilled: bool = False
    paid_by_plan: bool = False  # by capacity that was bought before: the call has no cost of its own
    # Names work that several calls may state, e.g. a response from the background that is fetched twice: the first call
    # that states it is charged, later ones are free.
    charged_once: str | None = None
    usage_quality: str | None = None  # what is odd about the usage, in words
    text: str | None = None  # the words of the answer
    # Tool calls and visible thinking: not the answer's words, yet tokens; for estimates.
    other_output: str | None = None
    error_type: str | None = None  # the provider's own, also of an error inside a 200 stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a reader may want to know of the request."""

    host: str = ""  # the one that the caller named
    path: str = ""  # the provider's own, query left off
    model: str | None = None  # from the body or the path
    body: Json = None  # parsed; of a form its text fields; None where it is not kept
    # The headers of the answer that the operation's `answer_headers` names, as far as they came.
    answer_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One billable call of an API: method and path decide, never the host alone."""

    name: str  # OpenTelemetry's gen_ai.operation.name where it has one
    path: str  # a regular expression of the provider's own path, query left off; a group `model` names the model
    method: str = "POST"
    json_framing: Framing = JSON  # of an answer whose content type is JSON, or names none
    terminal: Terminal | None = None  # what ends a stream; None: the end of the bytes
    asks_usage: bool = False  # a stream states its usage only where the request asks (OpenAI's include_usage)
    is_free: bool = False  # costs nothing whatever it uses (moderations)
    read_json: Callable[[Json], Reading] | None = None  # the answer's body
    read_stream: Callable[[Iterable[Event]], Reading] | None = None  # the answer's events, in every framing
    # Completes what the answer says by what only the request tells: size and quality of images, characters to speak.
    with_request: Callable[[Reading, Asked], Reading] | None = None
    prompt_text: Callable[[Json], str] | None = None  # the words of a request, for estimates
    read_request: Callable[[bytes], Json] | None = None  # of a body that is not JSON: what JSON would say
    read_event: Callable[[Event], Json] | None = None  # the same of a message of the answer
    is_two_way: bool = False  # the request goes on while the answer comes, on one HTTP/2 stream
    socket: SocketProtocol | None = None  # the calls come over a WebSocket that this request opens
    # (request) -> the row's `operation_name`, where the request's body makes it another; None: `name`.
    row_name: Callable[[Json], str | None] | None = None
    # Headers of the answer that `with_request` reads, in lower case: they are kept in the journal. Never one with a secret.
    answer_headers: tuple[str, ...] = ()
    source: str | None = None  # documentation, where it is not the provider's

    def match(self, path: str) -> re.Match[str] | None:
        """Whether a whole path, query left off, is one of the operation's."""
        return _compiled(self.path).fullmatch(path)

    def below(self, prefix: str) -> "Operation":
        """The same at its path below another one, a regular expression."""
        return replace(self, path=prefix + self.path)


@cache  # as many as the providers have: they are ours, never a caller's
def _compiled(path: str) -> re.Pattern[str]:
    """The providers have more than a thousand: compiling all took half of the time to import them, and a process matches few."""
    return re.compile(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider: a row of openai_compatible.py, or a file and a line in the registry."""

    name: str  # path prefix, `--upstream` name and provider_name
    origin: str  # where `/name/...` goes: "https://api.openai.com"
    # Decrypted. Exact, or with at most one "*" a label, which stands for that label or a part of it
    # ("bedrock-runtime.*.amazonaws.com", "*-aiplatform.googleapis.com"). With a path ("chatgpt.com/backend-api/codex/")
    # only what is below it is this provider's; other paths of the host pass.
    hosts: tuple[str, ...]
    labels: tuple[str, ...] = ()  # first DNS labels of Helicone's host map that mean this provider
    aliases: tuple[str, ...] = ()  # other path prefixes
    operations: tuple[Operation, ...] = ()
    prices: str | None = None  # its id in genai-prices; None: only our own table and the user's prices
    region: Callable[[str, str], str | None] | None = None  # (host, path) -> the price factor `region`
    plan_hosts: frozenset[str] = frozenset()  # calls to these are paid by a subscription
    plan_paths: tuple[str, ...] = ()  # how the paths of such calls begin, on its other hosts
    # (host, path, asked model) -> the id in genai-prices of the company that bills, where the call decides that
    price_list: Callable[[str, str, str | None], str | None] | None = None
    # (host, path, asked model) -> the name of the provider whose prices a call has: of a gateway that passes calls on to others
    seller: Callable[[str, str, str | None], str | None] | None = None
    # Beginnings of credentials of a subscription, as a header has them, in lower case ("bearer sk-ant-oat").
    plan_credentials: tuple[str, ...] = ()
    error_body: Callable[[int, str, str], Json] | None = None  # (status, type, message) -> body in its dialect
    source: str = ""  # its documentation
