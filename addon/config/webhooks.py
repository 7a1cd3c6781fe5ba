"""Webhooks: the addresses that are told of finished calls, `[[webhooks]]` in heliograph.toml."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    url: str
    secret: str = field(repr=False)  # signs each delivery; `$NAME` is that environment variable
    sample_rate: float = 100.0  # percent of the calls
    properties: Mapping[str, str] = field(default_factory=dict)  # only calls that have all of these; lower-case names
    include_data: bool = True  # model, provider, tokens, cost and latency beside the bodies

    def signing_key(self, environ: Mapping[str, str]) -> str:
        """Raises ValueError where the environment variable is not set."""
        if (name := secret_variable(self.secret)) is None:
            return self.secret
        if not (key := environ.get(name)):
            raise ValueError(f"the webhook {self.url}: its secret, the environment variable ${name}, is not set")
        return key


def secret_variable(secret: str) -> str | None:
    """The environment variable that a secret names as `$NAME`; None: it is the secret itself."""
    return secret[1:] if secret.startswith("$") else None
