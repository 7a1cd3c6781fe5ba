"""Whether there is such a call or session, whether or not it is settled. Reads files: not for an event loop."""

import time
from pathlib import Path
from typing import Final

from addon.storage.begun import calls_begun
from addon.storage.folders import Folders
from analysis.by_id import ask_by_id
from analysis.lake import Connection, Lake

# A start line waits that long in the proxy's memory at most, and a program may know the id before that: its own.
_LOOK_AGAIN_S: Final = 0.1
_LOOKS: Final = 2


def is_known(lake: Lake, data: Path, request_id: str) -> bool:
    """Whether a call with this id has begun."""

    def has_row(connection: Connection) -> bool:
        found = connection.execute("select 1 from requests where request_id = $id limit 1", {"id": request_id})
        return found.fetchone() is not None

    for look in range(_LOOKS):
        time.sleep(look * _LOOK_AGAIN_S)
        if any(call.request_id == request_id for call in calls_begun(Folders(data), request_id)) or ask_by_id(
            lake, request_id, has_row
        ):
            return True
    return False


def first_of_session(lake: Lake, data: Path, session_id: str) -> str | None:
    """The request id of a session's first call; None: there is no such session."""

    def first_row(connection: Connection) -> list[tuple[int, str]]:
        found = connection.execute(
            "select epoch_us(started_at), request_id from requests where session_id = $id order by all limit 1",
            {"id": session_id},
        )
        return [(int(started_at_us), str(request_id)) for started_at_us, request_id in found.fetchall()]

    for look in range(_LOOKS):
        time.sleep(look * _LOOK_AGAIN_S)
        begun = [
            (call.started_at_us, call.request_id)
            for call in calls_begun(Folders(data), session_id)
            if call.session_id == session_id
        ]
        if calls := begun + lake.ask(first_row):
            return min(calls)[1]
    return None
