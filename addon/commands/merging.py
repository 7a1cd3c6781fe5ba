"""The lock of all merges, for the commands that write stored files again. pyarrow is imported when one of them runs."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from addon.commands.options import Failure

if TYPE_CHECKING:
    from addon.storage.folders import Folders


@contextlib.contextmanager
def merging_alone(folders: "Folders") -> Iterator[None]:
    """Nobody else merges meanwhile. Raises Failure where a proxy goes on doing so, OSError."""
    from addon.settling import compact as merges

    try:
        with merges.only_merger(folders):
            yield
    except merges.Busy as error:
        raise Failure(f"a proxy is merging in {folders.data} just now; run this again when it is done") from error
