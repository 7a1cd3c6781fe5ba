"""`[[webhooks]]` in heliograph.toml: who is told of finished calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

_FIELDS: Final = ("url", "secret", "sample_rate", "properties", "include_data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    url: str
    secret: str = field(repr=False)  # signs each delivery; `$NAME` is that environment variable
    sample_rate: float = 100.0  # percent of the calls
    properties: Mapping[str, str] = field(default_factory=dict)  # all of these a call must have; lower-case names
    include_data: bool = True  # model, provider, tokens, cost and latency beside the bodies

    def signing_key(self, environ: Mapping[str, str]) -> str:
        """Raises ValueError where the environment variable is not set."""
        if not self.secret.startswith("$"):
            return self.secret
        if not (key := environ.get(self.secret[1:])):
            raise ValueError(
                f"the webhook {self.url}: its secret, the environment variable {self.secret[1:]}, is not set"
            )
        return key


def parse_webhooks(tables: Sequence[Mapping[str, Any]]) -> tuple[Webhook, ...]:
    """Raises ValueError that names the key and says what is allowed."""
    return tuple(_webhook(f"webhooks[{number}]", table) for number, table in enumerate(tables))


def _webhook(where: str, table: Mapping[str, Any]) -> Webhook:
    if unknown := [name for name in table if name not in _FIELDS]:
        raise ValueError(f"{where}.{unknown[0]}: unknown; allowed are {', '.join(_FIELDS)}")
    url, secret = table.get("url"), table.get("secret")
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{where}.url: {url!r} is not an http(s) URL; write e.g. https://example.org/hook")
    if not isinstance(secret, str) or not secret:
        raise ValueError(
            f'{where}.secret: {secret!r} is not a text; write e.g. "$HOOK_SECRET", an environment variable'
        )
    rate = table.get("sample_rate", 100)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 100:
        raise ValueError(f"{where}.sample_rate: {rate!r} is not a percentage; write a number from 0 to 100")
    properties = table.get("properties", {})
    if not isinstance(properties, dict) or not all(isinstance(value, str) for value in properties.values()):
        raise ValueError(
            f'{where}.properties: {properties!r} is not a table of texts; write e.g. {{ feature = "chat" }}'
        )
    include_data = table.get("include_data", True)
    if not isinstance(include_data, bool):
        raise ValueError(f"{where}.include_data: {include_data!r} is neither true nor false")
    return Webhook(
        url=str(url),
        secret=secret,
        sample_rate=float(rate),
        properties={name.lower(): value for name, value in properties.items()},
        include_data=include_data,
    )
