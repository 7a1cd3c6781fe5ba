"""What the settler has written for the segments of the journal: settled files, until they are Parquet and readers have let go."""

from datetime import date

from addon.settling.parquet import settled_to_parquet
from addon.settling.settled_files import EventFile, SettledFile
from addon.storage.folders import Folders, entries, parse_settled, sync_folder
from addon.storage.record import TABLES


class Outputs:
    """The settled files of all segments, each opened when it is needed. All methods but `close` raise OSError."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._calls: dict[tuple[str, date], SettledFile] = {}
        self._events: dict[tuple[str, date, str], EventFile] = {}

    def calls(self, segment: str, day: date) -> SettledFile:
        key = segment, day
        if key not in self._calls:
            self._calls[key] = SettledFile(self._folders, segment, day)
        return self._calls[key]

    def events(self, segment: str, day: date, table: str) -> EventFile:
        key = segment, day, table
        if key not in self._events:
            self._events[key] = EventFile(self._folders, table, segment, day)
        return self._events[key]

    def existing(self) -> dict[str, set[tuple[str, date]]]:
        """Tables and dates of the files that each segment has on the disk."""
        found: dict[str, set[tuple[str, date]]] = {}
        for table in TABLES:
            for entry in entries(self._folders.settled(table)):
                if parsed := parse_settled(entry.name):
                    found.setdefault(parsed[0], set()).add((table, parsed[1]))
        return found

    def finish(self, segment: str, synced: set[str]) -> None:
        """Brings the rows of a segment into Parquet. Before that, makes the files of the segments `synced` durable."""
        for file in self._files():
            if file.segment in synced:
                file.sync()
        for file in self._files():
            if file.segment == segment:
                file.close()
                for table, source in file.paths().items():
                    settled_to_parquet(source, self._folders.parquet(table, segment, file.day), table)
        self._calls = {key: file for key, file in self._calls.items() if file.segment != segment}
        self._events = {key: file for key, file in self._events.items() if file.segment != segment}

    def remove(self, segment: str) -> None:
        """Removes the files of a segment whose rows are in Parquet."""
        for table in TABLES:
            folder = self._folders.settled(table)
            paths = list(folder.glob(f"{segment}.*.jsonl"))
            for path in paths:
                path.unlink(missing_ok=True)
            if paths:
                # Before the segment's note is removed: a row that reappears after a power cut would count twice.
                sync_folder(folder)

    def close(self) -> None:
        for file in self._files():
            file.close()

    def _files(self) -> list[SettledFile | EventFile]:
        return [*self._calls.values(), *self._events.values()]
