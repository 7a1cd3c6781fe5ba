"""Identical calls at the same time share one upstream call.

The caller that came first leads: its call goes to the provider and is billed. Others follow: they get what has come so
far, then each part as it comes, or the failure if there is one. All of it happens on the event loop.
"""

from collections.abc import Sequence

from addon.calls.call import Call, Flight
from addon.calls.connection import ClientConnection


class Flights:
    """The flights that can be joined, and the moves that keep flight, leader and follower in step."""

    def __init__(self) -> None:
        self._open: dict[str, Flight] = {}  # by key
        self._led: dict[str, list[Flight]] = {}  # under way, by the connection of their first caller

    def start(self, flight: Flight) -> None:
        flight.call.sharing.leads = flight
        self._led.setdefault(flight.call.connection.id, []).append(flight)
        if flight.key:
            self._open.setdefault(flight.key, flight)

    def find(self, key: str) -> Flight | None:
        return self._open.get(key)

    def close(self, flight: Flight) -> None:
        """No further call joins, here or in another process; the followers stay."""
        if flight.call.sharing.claim:
            flight.call.sharing.claim.release()
        if flight.key and self._open.get(flight.key) is flight:
            del self._open[flight.key]

    def land(self, flight: Flight) -> None:
        """It is over. It can still be joined until it is closed: its answer may not be in the store yet."""
        caller_id = flight.call.connection.id
        led = self._led.get(caller_id, [])
        if flight in led:
            led.remove(flight)
        if not led:
            self._led.pop(caller_id, None)

    def left_by(self, caller: ClientConnection) -> Sequence[Flight]:
        """Those under way whose first caller disconnected just now: each is given once."""
        return self._led.pop(caller.id, ())

    @staticmethod
    def join(flight: Flight, follower: Call) -> None:
        follower.sharing.follows = flight
        flight.followers.add(follower.id)

    @staticmethod
    def leave(follower: Call) -> Flight | None:
        """The flight that was followed."""
        flight = follower.sharing.follows
        if flight:
            flight.followers.discard(follower.id)
        return flight
