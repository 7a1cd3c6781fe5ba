"""The reports that can be asked: ours, and the .sql files that people keep in DATA/reports or in the folder of --sql-dir."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from addon.config.mistakes import did_you_mean
from analysis.reports.report import REPORTS, STANDING, Report, load, parsed

FOLDER: Final = "reports"  # in the data folder
_MOST_BYTES: Final = 2**20  # of a file: no question is longer


@dataclass(frozen=True, slots=True)
class Shelf:
    """`own`: reports of files, by name. `problems`: why a file is not a report, by the name that it would have."""

    own: Mapping[str, Report] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (*REPORTS, *STANDING, *self.own)

    def question(self, name: str) -> str:
        return STANDING[name] if name in STANDING else self.find(name).question

    def find(self, name: str) -> Report:
        """The report of that name. Raises ValueError that names the nearest, or what is wrong with its file."""
        if name in REPORTS:
            return load(name)
        if name in self.own:
            return self.own[name]
        if name in STANDING:
            raise ValueError(f"report {name} is of now, and not of calls: ask heliograph report {name}")
        if name in self.problems:
            raise ValueError(self.problems[name])
        raise ValueError(f"no report {name!r}{did_you_mean(name, self.names)}; there are {', '.join(self.names)}")


OURS: Final = Shelf()


def read_shelf(data: Path, sql_dir: Path | None = None) -> Shelf:
    """Our reports and those of files. Raises ValueError for a `sql_dir` that cannot be listed."""
    own: dict[str, Report] = {}
    problems: dict[str, str] = {}
    for file in _files(data, sql_dir):
        if file.stem in REPORTS or file.stem in STANDING:
            problems[file.stem] = f"{file}: {file.stem} is a report of heliograph; give the file another name"
        elif file.stem in own:
            problems[file.stem] = f"{file}: {own[file.stem].file} has that name already; give one of them another name"
        else:
            try:
                own[file.stem] = _read(file)
            except ValueError as error:
                problems[file.stem] = str(error)
    return Shelf(own, problems)


def _files(data: Path, sql_dir: Path | None) -> Iterator[Path]:
    yield from sorted((data / FOLDER).glob("*.sql"))
    if sql_dir is None:
        return
    try:
        yield from sorted(file for file in sql_dir.iterdir() if file.suffix == ".sql")
    except OSError as error:
        raise ValueError(f"--sql-dir {sql_dir}: {error.strerror}") from error


def _read(file: Path) -> Report:
    """Raises ValueError that says what is wrong with the file."""
    try:
        if not file.is_file():  # a pipe would never end
            raise ValueError(f"{file}: not a regular file")
        with file.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"{file}: longer than {_MOST_BYTES >> 20} MiB")
        sql = content.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 text") from error
    if not sql.strip():
        raise ValueError(f"{file}: empty")
    return parsed(file.stem, sql.rstrip().rstrip(";"), file)
