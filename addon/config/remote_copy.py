"""Settings that have a URL (`--config https://...`), and their copy in the data folder.

    settings/<hash of the URL>.toml    the last good text: what everything of heliograph reads
    settings/<hash of the URL>.json    the URL, the etag, when it was asked last, and what was wrong then

So a start without the network works, and a text with a mistake never gets in force: it is refused before it is copied.
"""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from addon.config.remote_text import EVERY_S, Unreachable, ask, checked_url, is_remote, shown
from addon.config.settings import ConfigError, load
from addon.storage.folders import Folders, make_folder, write_whole
from addon.storage.notes import read_fields, write_fields

_JUST_NOW_S: Final = 3.0  # `heliograph up` starts itself once more, without assertions


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is known of the URL. Times are epoch seconds; 0: never."""

    url: str
    etag: str | None = None  # of the copy
    asked_at: float = 0.0  # with success
    problem: str = ""  # why the copy is not what the URL has now
    again_after_s: float = EVERY_S

    @property
    def shown(self) -> str:
        return shown(self.url)


def settings_file(data: Path, given: str | None, environ: Mapping[str, str], *, asks: bool) -> tuple[Path | None, str]:
    """The file that `--config` names, which of a URL is its copy; and what is to be told of it, or "". `asks`: the URL is
    asked where there is a copy, too. Raises ConfigError, Unreachable where there is neither text nor copy, OSError."""
    if not given or not is_remote(given):
        return (Path(given).expanduser() if given else None), ""
    try:
        url = checked_url(given, environ)
    except ValueError as error:
        raise ConfigError(f"--config {shown(given)}: {error}") from error
    copy = copy_of(Folders(data), url)
    source = source_of(copy) or Source(url=url)
    if copy.exists() and (not asks or time.time() - source.asked_at < _JUST_NOW_S):
        return copy, source.problem
    try:
        refresh(copy, source, lambda text: load(data, copy, environ=environ, text=text), environ)
    except (ConfigError, Unreachable) as error:
        if not copy.exists():
            raise
        since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(copy.stat().st_mtime))
        return copy, f"{error}\nThe copy of {since} is used: {copy}"
    return copy, ""


def copy_of(folders: Folders, url: str) -> Path:
    return folders.settings / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.toml"


def source_of(config: Path) -> Source | None:
    """None: this settings file is not a copy."""
    return read_fields(Source, config.with_suffix(".json"))


def place_of(config: Path) -> str:
    """Where a person changes these settings: the URL of a copy, else the file."""
    source = source_of(config)
    return source.shown if source else str(config)


def given_of(config: Path) -> str:
    """What `--config` says to name these settings, from any folder."""
    source = source_of(config)
    return source.url if source else str(config.absolute())


def refresh(copy: Path, source: Source, check: Callable[[str], object], environ: Mapping[str, str]) -> Source:
    """Asks the URL, and replaces the copy by a new text that `check` accepts. What was wrong is noted, too. Raises Unreachable,
    ConfigError (by `check`; the copy stays), OSError."""
    make_folder(copy.parent)
    try:
        asked = ask(source.url, source.etag if copy.exists() else None, environ)
        if asked.text is not None:
            _checked(asked.text, copy, source, check)
            write_whole(copy, asked.text.encode())
    except (Unreachable, ConfigError) as error:
        _note(copy, replace(source, problem=str(error)))
        raise
    known = Source(url=source.url, etag=asked.etag, asked_at=time.time(), again_after_s=asked.again_after_s)
    _note(copy, known)
    return known


def _checked(text: str, copy: Path, source: Source, check: Callable[[str], object]) -> None:
    try:
        check(text)
    except ConfigError as error:
        raise ConfigError(str(error).replace(str(copy), source.shown)) from error


def _note(copy: Path, source: Source) -> None:
    write_fields(copy.with_suffix(".json"), source)


class SourcePoll:
    """When a running proxy is to ask the URL of its settings again. Made for a settings file; without a URL it is never due."""

    def __init__(self, config: Path) -> None:
        self._copy = config
        self._source = source_of(config)
        self._due_at = 0.0  # monotonic
        self.problem = ""

    def is_due(self) -> bool:
        return self._source is not None and time.monotonic() >= self._due_at

    @property
    def is_remote(self) -> bool:
        return self._source is not None

    def refresh(self, check: Callable[[str], object]) -> str:
        """Asks now, in this thread. Returns what is to be told: each problem once, and its end."""
        assert self._source
        before = self.problem
        try:
            self._source = refresh(self._copy, self._source, check, os.environ)
            self.problem = ""
        except (Unreachable, ConfigError, OSError) as error:
            self.problem = str(error)
        self._due_at = time.monotonic() + self._source.again_after_s
        if self.problem and self.problem != before:
            return f"the settings stay as they were:\n{self.problem}"
        return f"{self._source.shown} can be used again" if before and not self.problem else ""
