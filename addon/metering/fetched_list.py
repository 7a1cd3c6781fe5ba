"""A newer copy of genai-prices, fetched by `heliograph prices update`: one file, DATA/prices.json.gz, in place of the list that is
installed. Without the file, or with one that cannot be read or that is older than the installed list, the latter is used.
"""

import gzip
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from genai_prices import data_snapshot
from genai_prices import types as listed

from addon.metering.listed import name_list
from addon.storage.folders import Folders, make_folder, open_file, write_all

# The list has 3 MB today.
MOST_BYTES: Final = 64 * 2**20
# A list without these, or with much less than is known, is not the whole of it.
NEEDED: Final = ("anthropic", "google", "openai")
LEAST_SHARE: Final = 0.7


class NotAList(ValueError):
    """Why a download is not taken, in words."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A list and what is known of its coming."""

    name: str  # as in `cost_source`
    fetched_at: datetime
    url: str
    providers: list[listed.Provider]


def installed() -> list[listed.Provider]:
    """The list that came with the package."""
    return data_snapshot._bundled_snapshot().providers


def read_list(data: bytes) -> list[listed.Provider]:
    """The providers of genai-prices' `data.json`, whole and sound. Raises NotAList."""
    if data[:1] != b"[":
        kind = "a web page" if data.lstrip()[:1] == b"<" else "not a JSON array"
        raise NotAList(f"it is {kind}, not the list")
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise NotAList(f"it is not whole, or broken: {error}") from error
    return _providers(raw)


def _providers(raw: Any) -> list[listed.Provider]:
    try:
        providers = listed._providers_from_raw(raw)  # as genai_prices.UpdatePrices reads it
    except Exception as error:  # pydantic's, and whatever its validators raise
        raise NotAList(f"it cannot be read by this version of genai-prices: {str(error).splitlines()[0]}") from error
    known = {provider.id for provider in providers}
    if missing := [name for name in NEEDED if name not in known]:
        raise NotAList(f"it is not the whole list: it lacks {', '.join(missing)}")
    return providers


def refuse_less(providers: list[listed.Provider], current: list[listed.Provider]) -> None:
    """Raises NotAList for a list that is older than the current one, or has much less in it."""
    if (theirs := newest_date(providers)) < (ours := newest_date(current)):
        raise NotAList(f"it is older than the list in use: its newest price is of {theirs}, ours of {ours}")
    models, known = _models(providers), _models(current)
    if models < known * LEAST_SHARE:
        raise NotAList(f"it has {models:,} models where the list in use has {known:,}: it is not the whole list")


def newest_date(providers: Iterable[listed.Provider], today: date | None = None) -> date:
    """The latest day, up to today, on which a price of the list began: the list itself has no date."""
    until = today or datetime.now(UTC).date()
    return max((day for provider in providers for day in _starts(provider) if day <= until), default=date.min)


def _starts(provider: listed.Provider) -> Iterable[date]:
    for model in provider.models:
        dated = [*(model.prices if isinstance(model.prices, list) else ()), *(model.price_variants or ())]
        for price in dated:
            if isinstance(price.constraint, listed.StartDateConstraint):
                yield price.constraint.start_date


def _models(providers: Iterable[listed.Provider]) -> int:
    return sum(len(provider.models) for provider in providers)


def keep(data: Path, content: bytes, url: str, fetched_at: datetime) -> Path:
    """Writes the file; a reader sees the old one or the new one, never a part. Raises OSError."""
    path = Folders(data).prices
    make_folder(data)
    head = {"url": url, "fetched_at": fetched_at.isoformat(timespec="seconds")}
    text = b'{"head":%b,"list":%b}' % (orjson.dumps(head), content)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = open_file(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    try:
        write_all(descriptor, gzip.compress(text, 6))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    return path


def kept(data: Path) -> Fetched | None:
    """The list in the file; None without one. Raises NotAList, or OSError."""
    path = Folders(data).prices
    if not path.exists():
        return None
    try:
        with os.fdopen(open_file(path), "rb") as file, gzip.open(file) as unpacked:
            told = orjson.loads(unpacked.read(MOST_BYTES + 4096))
        head, raw = told["head"], told["list"]
        fetched_at = datetime.fromisoformat(head["fetched_at"])
        url = str(head["url"])
    except (ValueError, KeyError, TypeError, EOFError, gzip.BadGzipFile) as error:
        raise NotAList(f"{path}: not a list that `heliograph prices update` wrote: {error}") from error
    providers = _providers(raw)
    if newest_date(providers) < newest_date(installed()):
        raise NotAList(f"{path}: older than the list that is installed; delete it, or run `heliograph prices update`")
    return Fetched(f"genai-prices fetched {fetched_at:%Y-%m-%dT%H:%MZ}", fetched_at, url, providers)


def use(data: Path) -> str | None:
    """From now on this process prices by the kept list, or by the installed one. Returns why a kept list is not used."""
    problem: str | None = None
    try:
        found = kept(data)
    except (NotAList, OSError) as error:
        found, problem = None, str(error)
    data_snapshot.set_custom_snapshot(
        data_snapshot.DataSnapshot(found.providers, from_auto_update=True) if found else None
    )
    name_list(found.name if found else None)
    return problem
