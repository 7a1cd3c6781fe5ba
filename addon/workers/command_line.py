"""What `heliograph up` was started with, as far as it is not in the settings file."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    data: Path
    config: Path | None
    upstreams: tuple[str, ...] = ()
    upstream_timeout_s: float | None = None
