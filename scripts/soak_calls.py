"""The calls of the soak: what each kind sends, how the fake provider and the caller behave, and what it must cost."""

import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# Nano-dollars a token, input and output, of the day on which this was written: gpt-4o-mini 0.15 and 0.60 USD a million, ...
PRICES: Final[Mapping[str, tuple[int, int]]] = {
    "gpt-4o-mini": (150, 600),
    "claude-haiku-4-5": (1000, 5000),
    "llama-3.3-70b-versatile": (590, 790),
}
# Every control of a call is on in some of them: these sections, and the headers below.
CONFIG: Final = """\
[redact]
[usage]
inject = true
[overload]
max_calls = 500
[[limits]]
name = "house"
quota = 100_000_000
window = "1d"
[[limits]]
name = "tight"
quota = 30
window = "1m"
match = { user = "limited" }
[[budgets]]
name = "company"
usd = 1_000_000
period = "month"
"""
_FALLBACKS: Final = json.dumps(
    [
        {
            "target-url": "https://api.openai.com",
            "headers": {"Authorization": "Bearer k", "x-fake": "status=500"},
            "onCodes": [500],
        },
        {
            "target-url": "https://api.groq.com/openai/v1",
            "headers": {"Authorization": "Bearer k"},
            "onCodes": [],
            "bodyKeyOverride": {"model": "llama-3.3-70b-versatile"},
        },
    ]
)
CACHED: Final = {"helicone-cache-enabled": "true", "cache-control": "max-age=120"}
_RETRY: Final = {"helicone-retry-enabled": "true", "helicone-retry-num": "2", "helicone-retry-min-timeout": "50"}
_WORDS: Final = [
    "parcel",
    "depot",
    "tuesday",
    "telephone",
    "answer",
    "street",
    "morning",
    "letter",
    "window",
    "garden",
    "number",
    "button",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of call. `share`: how many of a hundred calls are of it."""

    share: int
    fake: str = ""  # how the provider behaves
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = "gpt-4o-mini"
    stream: bool | None = None  # None: one half is
    prompts: int = 0  # how many different prompts there are; 0: each call has its own
    leaves_after_s: float | None = None  # the caller disconnects so long after it has sent the call
    priced_as: str = ""  # the model that answers, where it is another one


KINDS: Final[Mapping[str, Kind]] = {
    "plain": Kind(share=38),
    "anthropic": Kind(share=10, model="claude-haiku-4-5"),
    "cached": Kind(share=12, headers=CACHED, prompts=40),
    "identical": Kind(share=4, headers=CACHED, prompts=5, fake="delay=0.4"),
    "paced stream": Kind(share=5, stream=True, fake="chunk-delay=0.02"),
    "limited": Kind(share=3, headers={"helicone-user-id": "limited"}),
    "retried": Kind(share=3, fake="status=500", headers=_RETRY),
    "fallback": Kind(
        share=4,
        headers={"helicone-fallbacks": _FALLBACKS},
        stream=False,
        priced_as="llama-3.3-70b-versatile",
    ),
    "429 of the provider": Kind(share=3, fake="status=429;retry-after=1"),
    "500 of the provider": Kind(share=2, fake="status=500"),
    "reset": Kind(share=3, fake="no-answer=1;reset=1"),
    "cut stream": Kind(share=3, stream=True, fake="cut=9;reset=1"),
    "stalled": Kind(share=2, fake="delay=20", headers={"helicone-timeout": "first-byte=1"}),
    "stalled stream": Kind(share=2, stream=True, fake="chunk-delay=20", headers={"helicone-timeout": "idle=1"}),
    "caller leaves early": Kind(share=3, fake="delay=5", leaves_after_s=0.2),
    "caller leaves a stream": Kind(share=3, stream=True, fake="chunk-delay=0.1", leaves_after_s=0.8),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One call as it is sent."""

    id: str
    kind: Kind
    path: str
    headers: Mapping[str, str]
    body: bytes
    stream: bool

    def over_http1(self, host: str) -> bytes:
        lines = {"host": host, **self.headers, "content-length": str(len(self.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body

    def over_http2(self) -> list[tuple[str, str]]:
        """The head, for the provider's own host."""
        host, path = self.provider_host, f"/v1/{self.path.partition('/v1/')[2]}"
        begins = [(":method", "POST"), (":scheme", "https"), (":authority", host), (":path", path)]
        return [*begins, *self.headers.items(), ("content-length", str(len(self.body)))]

    @property
    def provider_host(self) -> str:
        return f"api.{self.path.split('/')[1]}.com"


def plan(dice: random.Random) -> Planned:
    kind = dice.choices(list(KINDS.values()), [kind.share for kind in KINDS.values()])[0]
    stream = dice.random() < 0.5 if kind.stream is None else kind.stream
    seed = dice.randrange(kind.prompts) if kind.prompts else dice.random()
    call_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
    path = "/anthropic/v1/messages" if kind.model.startswith("claude") else "/openai/v1/chat/completions"
    return Planned(call_id, kind, path, _headers(kind, call_id), _body(kind, seed, stream), stream)


def _body(kind: Kind, seed: float, stream: bool) -> bytes:
    words = random.Random(seed)
    text = " ".join(words.choice(_WORDS) for _ in range(words.randint(5, 120)))
    secret = "" if kind.prompts else f", write to ann{words.randrange(50)}@example.org"  # with one, nothing is cached
    message = {"role": "user", "content": f"{text} {seed}{secret}"}
    body: dict[str, Any] = {"model": kind.model, "messages": [message], "stream": stream, "max_tokens": 400}
    if stream and not kind.model.startswith("claude"):
        body["stream_options"] = {"include_usage": True}  # so that the caller can tell the cost, too
    return json.dumps(body).encode()


def _headers(kind: Kind, call_id: str) -> dict[str, str]:
    return {
        "authorization": "Bearer sk-soak",
        "content-type": "application/json",
        "helicone-request-id": call_id,
        **({"x-fake": kind.fake} if kind.fake else {}),
        **kind.headers,
    }


def cost_nanousd(kind: Kind, answer: bytes) -> int:
    """What a whole answer costs by the usage that it states."""
    return cost_of_model(kind.priced_as or kind.model, answer)


def cost_of_model(model: str, answer: bytes) -> int:
    stated: dict[str, int] = {}
    for usage in _usages(answer):
        stated |= {name: value for name, value in usage.items() if isinstance(value, int)}
    each_in, each_out = PRICES[model]
    tokens_in = stated.get("prompt_tokens", stated.get("input_tokens"))
    tokens_out = stated.get("completion_tokens", stated.get("output_tokens"))
    if tokens_in is None or tokens_out is None:
        raise ValueError(f"no usage in {answer[-300:]!r}")
    return tokens_in * each_in + tokens_out * each_out


def _usages(answer: bytes) -> list[dict[str, Any]]:
    """The usage objects of an answer, in their order."""
    if not answer.startswith((b"data:", b"event:")):
        return [json.loads(answer)["usage"]]
    lines = (line.removeprefix(b"data: ") for line in answer.splitlines() if line.startswith(b"data: {"))
    events = [json.loads(line) for line in lines]
    found = [event.get("usage") or event.get("message", {}).get("usage") for event in events]
    return [usage for usage in found if usage]
