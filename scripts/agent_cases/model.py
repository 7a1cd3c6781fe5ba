"""What a client of `scripts/agents` is: how it is installed and run, and what its rows must say."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from scripts.agent_cases.answers import CACHED_TOKENS, INPUT_TOKENS, OUTPUT_TOKENS
from scripts.agent_cases.provider import Received

PROMPT: Final = "Where is my parcel?"


@dataclass(frozen=True, slots=True)
class Price:
    """USD per million tokens. `cached` is None where the fake provider states no cached tokens."""

    input: str
    cached: str | None
    output: str
    source: str

    @property
    def cost_nanousd(self) -> int:
        """Of one answer of the fake providers."""
        cached = CACHED_TOKENS if self.cached else 0
        usd = Decimal(self.input) * (INPUT_TOKENS - cached) + Decimal(self.output) * OUTPUT_TOKENS
        return int(1000 * (usd + Decimal(self.cached or 0) * cached))


_OPENAI: Final = "https://developers.openai.com/api/docs/pricing"
_ANTHROPIC: Final = "https://platform.claude.com/docs/en/about-claude/pricing"
PRICES: Final = {
    "gpt-4o-mini": Price("0.15", "0.075", "0.60", _OPENAI),
    "gpt-5": Price("1.25", "0.125", "10", _OPENAI),
    "gpt-5.4-nano": Price("0.20", "0.02", "1.25", _OPENAI),
    "claude-haiku-4-5": Price("1", "0.10", "5", _ANTHROPIC),
    "claude-haiku-4-5-20251001": Price("1", "0.10", "5", _ANTHROPIC),
    "gemini-2.5-flash": Price("0.30", "0.03", "2.50", "https://ai.google.dev/gemini-api/docs/pricing"),
    "mistral-small-2506": Price("0.10", None, "0.30", "https://mistral.ai/pricing"),
    "llama-3.1-8b-instant": Price("0.05", None, "0.08", "https://groq.com/pricing"),
    "command-r-08-2024": Price("0.15", None, "0.60", "https://cohere.com/pricing"),
    "us.amazon.nova-lite-v1:0": Price("0.06", None, "0.24", "https://aws.amazon.com/bedrock/pricing/"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One row that a client's run must leave."""

    provider: str
    operation: str
    model: str
    is_stream: bool = True
    status: int = 200
    # by tokens; plan: a subscription pays, what it would have cost is told; none: no price, or nothing was generated
    paid: Literal["tokens", "plan", "none"] = "tokens"
    has_usage: bool = True

    @property
    def cached_tokens(self) -> int | None:
        price = PRICES.get(self.model)
        return CACHED_TOKENS if price and price.cached and self.has_usage else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program, its packages, and the rows of one run."""

    name: str
    packages: tuple[str, ...]  # the first one's version is shown
    registry: Literal["npm", "pypi"]
    command: tuple[str, ...]  # a program of the packages, or `python` or `node` with a file of `programs`
    calls: tuple[Call, ...]
    user_agent: str  # a regular expression for column `client`
    process: str  # a regular expression for column `client_command`
    session: Callable[[Received], str | None] | None = None  # where the client states its session; None: it does not
    # where it names the sub-agent that calls; None: it does not. At least one of its calls is then a sub-agent's
    sub_agent: Callable[[Received], str | None] | None = None
    variables: dict[str, str] = field(default_factory=dict)  # keys, and what switches updates and telemetry off
    files: dict[str, str] = field(default_factory=dict)  # in its home folder, by path
    python: str | None = None  # the newest Python that its packages work with; None: this one
    refuses_sockets: bool = False  # the provider answers 426 to an upgrade, as to a client behind an old gateway

    @property
    def package(self) -> str:
        return self.packages[0]
