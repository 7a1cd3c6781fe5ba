"""Settings that a running proxy takes over when heliograph.toml changes. The decision is pure; the hook looks and acts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from addon.config.settings import ConfigError, Settings, load

LOOK_EVERY_S: Final = 1.0
State = tuple[int, int, int] | None  # of a file: time of change in ns, size, inode; None: there is no file

# Fields of Settings that a running proxy can use at once, and the sections of the file that they come from.
_AT_ONCE: Final[Mapping[str, str]] = {
    "keys": "keys",
    "prices": "prices",
    "limits": "limits",
    "budgets": "budgets",
    "fallbacks": "fallbacks",
    "retention": "retention",
    "targets": "targets",
    "page_origins": "browser",
    "hosts": "hosts",
    "inject_usage": "usage",
    "max_body_bytes": "capture",
    "looks_up_callers": "capture",
    "redact": "redact",
    "limits_fail_closed": "limits_store",
    "overload": "overload",
}
# Sections of the others, where they are not called like the field.
_SECTIONS: Final[Mapping[str, str]] = {"head_s": "timeouts", "cache_bytes": "cache", "held_bytes": "memory"}
# These do not come from the file.
_NOT_OF_THE_FILE: Final = frozenset({"data", "config", "is_watched", "upstream_proxy", "upstream_proxy_auth"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a changed file means, section by section, for a person."""

    taken: tuple[str, ...] = ()  # in use from now on, e.g. "keys (laptop added)"
    restart: tuple[str, ...] = ()  # sections that differ from those of the start, and need a restart

    def __str__(self) -> str:
        said = ", ".join(self.taken) or "nothing has changed"
        return f"{said}; needs a restart: {', '.join(self.restart)}" if self.restart else said


def state_of(path: Path) -> State:
    """What changes when the file does. A file that cannot be looked at counts as missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def file_settings(current: Settings, environ: Mapping[str, str]) -> Settings:
    """What the file says now, without the command line. Raises ConfigError."""
    return load(current.data, current.config if current.config.exists() else None, environ=environ)


def taken_over(current: Settings, fresh: Settings, *, alone: bool) -> Settings:
    """`current` with all of `fresh` that a running proxy can use at once. Raises ConfigError where the last key is gone and
    other machines reach the proxy (it is not `alone`)."""
    if current.keys and not fresh.keys and not alone:
        raise ConfigError(
            f"{fresh.config}: no keys are left, and other machines can reach this proxy; the old keys stay valid until it is restarted"
        )
    return replace(current, **{name: getattr(fresh, name) for name in _AT_ONCE})


def changes(current: Settings, fresh: Settings, at_start: Settings) -> Changes:
    """What `fresh` changes of `current`; what needs a restart is told from the file as it was `at_start`: the command line
    may have changed the rest."""
    taken = [
        told
        for name, section in _AT_ONCE.items()
        if (told := _told(section, getattr(current, name), getattr(fresh, name)))
    ]
    later = [
        _SECTIONS.get(field.name, field.name)
        for field in fields(Settings)
        if field.name not in _AT_ONCE
        and field.name not in _NOT_OF_THE_FILE
        and getattr(at_start, field.name) != getattr(fresh, field.name)
    ]
    return Changes(taken=tuple(dict.fromkeys(taken)), restart=tuple(f"[{section}]" for section in dict.fromkeys(later)))


def _told(section: str, before: Any, after: Any) -> str:
    """`keys (laptop added, ci removed)`; "" where nothing has changed."""
    if before == after:
        return ""
    names = ", ".join(_named_changes(before, after)) if isinstance(after, tuple) else ""
    return f"{section} ({names})" if names else section


def _named_changes(before: tuple[Any, ...], after: tuple[Any, ...]) -> Iterator[str]:
    """Of items that have names, in the order of the file."""
    old = {item.name: item for item in before if hasattr(item, "name")}
    new = {item.name: item for item in after if hasattr(item, "name")}
    yield from (f"{name} added" for name in new if name not in old)
    yield from (f"{name} changed" for name in new if name in old and old[name] != new[name])
    yield from (f"{name} removed" for name in old if name not in new)


class FileWatch:
    """Tells each change of one file once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = state_of(path)

    def has_changed(self) -> bool:
        """Since the last look. One stat call."""
        before, self._seen = self._seen, state_of(self.path)
        return before != self._seen
