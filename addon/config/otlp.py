"""Where finished calls are sent as OpenTelemetry spans: `[otlp]` in heliograph.toml."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from addon.sending.fallbacks import with_variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Otlp:
    endpoint: str  # without a path: `/v1/traces` is added, as OpenTelemetry's SDKs do
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # `$NAME` in a value is that variable
    bodies: bool = False  # messages are attributes

    @property
    def url(self) -> str:
        return traces_url(self.endpoint)

    def sent_headers(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Raises ValueError where a variable is not set."""
        return {name: with_variables(value, environ) for name, value in self.headers.items()}


def traces_url(endpoint: str) -> str:
    """Raises ValueError for what is not an http(s) URL. https://opentelemetry.io/docs/specs/otel/protocol/exporter/"""
    try:
        parts = urlsplit(endpoint)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_url = False
    if not is_url or any(char.isspace() for char in endpoint):
        raise ValueError(f"{endpoint!r} is not an http(s) URL; write e.g. http://127.0.0.1:4318")
    return f"{endpoint.rstrip('/')}/v1/traces" if parts.path in ("", "/") else endpoint
