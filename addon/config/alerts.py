"""Alerts: `[[alerts]]` and `[smtp]` in heliograph.toml. Conditions over the calls of a window, and the people who are told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

from addon.config.webhooks import secret_variable

Condition = Literal["spend", "error_rate", "latency", "unpriced", "budget"]
Tls = Literal["starttls", "tls", "none"]
Form = Literal["json", "slack", "mail"]

# What each condition's number is, for messages.
UNITS: Final[Mapping[Condition, str]] = {
    "spend": "USD",
    "error_rate": "of the calls",
    "latency": "ms (95th percentile)",
    "unpriced": "calls without a price",
    "budget": "of the budget",
}
ALLOWED_RECIPIENTS: Final = (
    "write https://example.org/hook (JSON), slack+https://hooks.slack.com/... (Slack's shape), mailto:ops@example.org, or"
    " $NAME, an environment variable that contains one of them"
)
_SLACK: Final = "slack+"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    name: str
    condition: Condition | None  # None: `sql` is asked
    sql: str | None = None  # a file; relative to the settings file
    at_least: float  # it fires from this value on, and is over below it
    window_s: int = 3600
    where: str = ""  # only calls that fit this SQL condition
    min_calls: int = 1  # with fewer calls in the window, a rate or a percentile does not fire
    to: tuple[str, ...]  # as written: `$NAME` is an environment variable

    @property
    def unit(self) -> str:
        return UNITS[self.condition] if self.condition else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smtp:
    """The mail server of `mailto:` recipients."""

    host: str
    sender: str
    port: int = 587
    tls: Tls = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)  # `$NAME` is that environment variable


@dataclass(frozen=True, slots=True)
class Recipient:
    form: Form
    address: str = field(repr=False)  # a URL may be a secret

    @property
    def shown(self) -> str:
        """For messages and pages: of a URL the host alone, since its path may be a secret."""
        return self.address if self.form == "mail" else f"{self.form} to {urlsplit(self.address).hostname}"


def recipient(text: str, environ: Mapping[str, str] | None) -> Recipient | None:
    """Whom a text of `to` names. Raises ValueError that says what is allowed. None: it is the name of a variable, and
    there is no environment to look it up in."""
    if (name := secret_variable(text)) is not None:
        if environ is None:
            return None
        if not (text := environ.get(name, "")):
            raise ValueError(f"${name} is not set; export it before heliograph starts")
    if (
        text.startswith("mailto:")
        and "@" in (address := text.removeprefix("mailto:").strip())
        and address.isprintable()
    ):
        return Recipient("mail", address)
    url = text.removeprefix(_SLACK)
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.hostname and not any(char.isspace() for char in url):
        return Recipient("slack" if text.startswith(_SLACK) else "json", url)
    raise ValueError(f"one of its recipients cannot be read; {ALLOWED_RECIPIENTS}")
