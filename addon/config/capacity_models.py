"""The sections of `heliograph.toml` that say how much the proxy takes on, all its workers together."""

from typing import Final

from pydantic import Field

from addon.config.section import Section
from addon.config.values import Bytes, Count, CountOrZero, Seconds
from addon.limits.held_bodies import MOST_HELD_BYTES
from addon.limits.slots import Overload

_USUAL: Final = Overload()


class MemoryTable(Section):
    """
    [memory]
    max_request_bytes = 536870912
    """

    max_request_bytes: Bytes = Field(
        default=MOST_HELD_BYTES,
        description="Request bodies that all calls under way hold, of all workers together; beyond it a call gets a 503.",
    )


class OverloadTable(Section):
    """
    [overload]
    max_calls = 4000
    """

    max_calls: Count = Field(
        default=_USUAL.max_calls, description="Calls under way at once, of all workers together; more of them wait."
    )
    max_waiting: CountOrZero = Field(
        default=_USUAL.max_waiting,
        description="Calls that wait at once, of all workers together; beyond it a call gets a 503.",
    )
    wait_s: Seconds = Field(default=_USUAL.wait_s, description="Seconds that a call waits until it gets a 503.")

    def made(self) -> Overload:
        return Overload(max_calls=self.max_calls, max_waiting=self.max_waiting, wait_s=self.wait_s)
