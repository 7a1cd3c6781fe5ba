"""Results that a caller asks for until they are there. Pure."""

from dataclasses import replace

from addon.providers.model import Asked, Reading


def charged_by_path(reading: Reading, asked: Asked) -> Reading:
    """A result that is fetched twice is charged once; one that is not there yet is free."""
    return reading if reading.is_free else replace(reading, charged_once=f"result {asked.path}")
