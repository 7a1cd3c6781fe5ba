"""What the pages share: the lake and its questions, the settings with their keys, failed tries to sign in, parts made before."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from addon.config.keys import Key
from addon.config.reload import State, file_settings, state_of
from addon.config.settings import ConfigError, Settings
from analysis.api.state import Api
from analysis.dashboard.kept_parts import KeptParts
from analysis.dashboard.tries import Tries
from analysis.lake import Lake

MEMORY: Final = "768MiB"  # of all questions of pages together


class SettingsNow:
    """The settings file as it is now: a key that is removed is signed out at once. A file that cannot be read leaves the
    last settings in force, as in the proxy."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state: State | None = None
        self._read = False

    def __call__(self) -> Settings:
        state = state_of(self._settings.config)
        if not self._read or state != self._state:
            self._state, self._read = state, True
            try:
                self._settings = file_settings(self._settings, os.environ)
            except ConfigError:
                return self._settings
        return self._settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    api: Api
    settings: SettingsNow
    parts: KeptParts
    has_proxy: bool = True  # False: only the data folder is shown
    tries: Tries = field(default_factory=Tries)

    @property
    def keys(self) -> Sequence[Key]:
        return self.settings().keys


def dashboard_of(api: Api, *, has_proxy: bool = True) -> Dashboard:
    """With a lake of its own that keeps its database between the parts of a page."""
    lake = Lake(api.settings.data, memory=MEMORY, keeps=True)
    return Dashboard(
        api=replace(api, lake=lake),
        settings=SettingsNow(api.settings),
        parts=KeptParts(lake, time.monotonic),
        has_proxy=has_proxy,
    )


BASE: Final = "/ui"  # every address of the dashboard is below it
