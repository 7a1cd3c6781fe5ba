"""What the routes share: where the data is, how to ask it, and a journal for what they are told."""

from dataclasses import dataclass

from addon.settings import Settings
from addon.storage.journal import Journal
from analysis.lake import Lake


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    settings: Settings
    secret: bytes  # the key of keyed hashes
    lake: Lake
    journal: Journal  # this process's own run: the settler takes it in like the proxy's
