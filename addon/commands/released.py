"""Calls that are in a lake in a bucket only, for the commands that change what is stored."""

from pathlib import Path

from addon.commands.options import Failure


def refuse_released(data: Path) -> None:
    """Raises Failure where files of this folder are in the bucket only: a change here would not reach their rows."""
    from addon.settling.shipped import released_days
    from addon.storage.folders import Folders

    if days := released_days(Folders(data)):
        raise Failure(
            f"calls of {days[0]} to {days[-1]} are in the bucket only, and would not be changed; bring them back with"
            " `heliograph ship --recall`, then run this again: the bucket follows within half a minute"
        )
