"""Recordings under plain mitmdump: `--set heliograph_record=FILE`, `--set heliograph_replay=FILE`."""

import logging
from typing import Any

from mitmproxy.addonmanager import Loader

from addon.config.settings import ConfigError
from addon.recordings.recording_file import RecordingError
from addon.recordings.tape import Tape, path_of, recording, replaying

logger = logging.getLogger(__name__)


def add_options(loader: Loader) -> None:
    loader.add_option("heliograph_record", str, "", "Record all calls in this file (docs/record.md).")
    loader.add_option("heliograph_replay", str, "", "Answer all calls from this recording; nothing is sent.")
    loader.add_option("heliograph_replay_speed", str, "1", "How many times faster than recorded; 0: without waiting.")


def tape_of(options: Any) -> Tape | None:
    """The tape that the options name. Raises ConfigError."""
    record, replay, text = options.heliograph_record, options.heliograph_replay, options.heliograph_replay_speed
    if record and replay:
        raise ConfigError("heliograph_record and heliograph_replay: choose one")
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        raise ConfigError(f"heliograph_replay_speed={text}: write a number from 0 on, e.g. 10")
    try:
        if record:
            return recording(path_of(record))
        return replaying(path_of(replay), speed=speed) if replay else None
    except RecordingError as error:
        raise ConfigError(str(error)) from error


def save(tape: Tape) -> None:
    """At the end of mitmdump. What cannot be written is said."""
    try:
        tape.save()
    except OSError as error:
        logger.error("heliograph: %s: %s; nothing is recorded", tape.path, error.strerror)
        return
    if tape.records:
        logger.warning("heliograph: calls recorded in %s: %s", tape.path, tape.added)
