"""`heliograph import`: the history that other tools kept, as rows."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.options import Failure, data_options, examples, read_settings, unwritable
from addon.commands.progress import progress_bar
from addon.commands.tables import calls_in_words, settle, warn, write
from addon.config.settings import ConfigError, Settings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from addon.intake.importing.model import Imported, Source
    from addon.metering.price import PriceList
    from addon.storage.record import RequestRow
    from analysis.already_there import Candidate
    from analysis.lake import Lake

_MOST_NAMED = 3  # files of another kind that are named


@dataclass(slots=True)
class _Plan:
    """What would be taken, by the first reading of all files."""

    files: list[tuple[Path, "Source"]]
    taken: set[str] = field(default_factory=set)  # row ids
    there: int = 0  # calls that are in the lake, or came before in these files
    found: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (source, provider, model) -> calls
    nanousd: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    listed_nanousd: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))  # paid by a plan
    unpriced: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None

    def add(self, source: str, row: "RequestRow") -> None:
        key = (source, row.provider_name, row.response_model or row.request_model or "-")
        self.taken.add(row.request_id)
        self.found[key] += 1
        self.nanousd[key] += row.cost_nanousd or 0
        self.listed_nanousd[key] += row.list_cost_nanousd or 0
        self.unpriced[key] += row.cost_nanousd is None and row.list_cost_nanousd is None
        self.first = min(self.first or row.started_at, row.started_at)
        self.last = max(self.last or row.started_at, row.started_at)


@click.command(
    "import",
    short_help="Take over what other tools kept: Claude Code, Codex, Helicone, Langfuse, LiteLLM.",
    epilog=examples(
        "heliograph import ~/.claude/projects --dry-run",
        "heliograph import ~/.codex/sessions ~/.claude/projects",
        "heliograph import helicone-export.jsonl",
    ),
)
@data_options
@click.option("--dry-run", is_flag=True, help="Say what would be taken and what it cost; take nothing.")
@click.option(
    "--paid-by-plan",
    is_flag=True,
    help="Claude Code was used with a subscription: its calls have no cost of their own, and their list price is kept.",
)
@click.argument("paths", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path(path_type=Path))
def import_calls(data: Path, config: Path | None, dry_run: bool, paid_by_plan: bool, paths: tuple[Path, ...]) -> None:
    """Make rows of the history that other tools kept: session files of Claude Code and Codex, exports of Helicone, Langfuse and
    LiteLLM. What a file holds is told by its content.

    Calls are priced like all others, at the prices of their day. A call that is in the lake is not taken again, whether it was
    imported before or went through the proxy. Where one file cannot be read, nothing is taken.
    """
    from addon.intake.importing.model import HistoryError
    from analysis.lake import Lake

    settings = read_settings(data, config)
    prices = _prices(settings)
    try:
        files = _files(paths)
        settle(data, config)
        with progress_bar() as progress:
            plan = _plan(Lake(data, warn), settings, prices, files, paid_by_plan, progress)
    except HistoryError as error:
        raise click.UsageError(f"nothing was taken: {error}") from error
    _show(plan)
    if dry_run:
        warn("nothing was taken (--dry-run)")
        return
    if not plan.taken:
        return
    try:
        with progress_bar() as progress:
            _take(plan, settings, paid_by_plan, progress)
    except ConfigError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise unwritable(data, error) from error
    warn(f"{calls_in_words(len(plan.taken))} taken; see them with heliograph report models --since {_day(plan.first)}")


def _prices(settings: Settings) -> "PriceList":
    from addon.metering import fetched_list
    from addon.metering.price import PriceList

    if problem := fetched_list.use(settings.data):
        warn(problem)
    return PriceList(settings.prices)


def _files(paths: Sequence[Path]) -> list[tuple[Path, "Source"]]:
    """Each file and whose it is. A named file of another kind is wrong usage; in folders such files are left out, since agents
    keep what their tools said beside their sessions. Raises HistoryError."""
    from addon.intake.importing.sources import expected, files_of

    found: list[tuple[Path, Source]] = []
    others: list[Path] = []
    for path in paths:
        if not path.exists():
            raise click.UsageError(f"{path}: no such file or folder")
        for file in files_of(path):
            if source := _source_of(file, in_folder=path.is_dir()):
                found.append((file, source))
            elif path.is_dir():
                others.append(file)
            else:
                raise click.UsageError(
                    f"nothing was taken: {file} is not a file that is known; expected are: {expected()}"
                )
    if not found:
        raise click.UsageError(f"{', '.join(map(str, paths))}: no file that is known; expected are: {expected()}")
    if others:
        more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        warn(f"left out, of another kind or without calls: {', '.join(map(str, others[:_MOST_NAMED]))}{more}")
    return found


def _source_of(file: Path, *, in_folder: bool) -> "Source | None":
    from addon.intake.importing.model import HistoryError
    from addon.intake.importing.sources import source_of

    try:
        return source_of(file)
    except HistoryError:
        if in_folder:
            return None
        raise


def _plan(
    lake: "Lake",
    settings: Settings,
    prices: "PriceList",
    files: list[tuple[Path, "Source"]],
    paid_by_plan: bool,
    progress: "Progress",
) -> _Plan:
    """Reads everything once. Raises HistoryError at the first thing that is wrong."""
    from analysis.already_there import already_there

    plan = _Plan(files)
    bar = progress.add_task("reading", total=len(files))
    rows: list[tuple[str, Candidate, RequestRow]] = []
    for call in _calls_of(files, paid_by_plan, progress, bar):
        row = _row(call, prices)
        rows.append((call.source, _candidate(row), row))
    known = already_there(lake, [candidate for _, candidate, _ in rows])
    for source, candidate, row in rows:
        if known.has(candidate):
            plan.there += 1
        else:
            known.add(candidate)
            plan.add(source, row)
    return plan


def _calls_of(
    files: Iterable[tuple[Path, "Source"]], paid_by_plan: bool, progress: "Progress", bar: "TaskID"
) -> Iterator["Imported"]:
    from dataclasses import replace

    from addon.intake.importing import claude_code

    for file, source in files:
        for call in source.read(file):
            is_plans = paid_by_plan and source.name == claude_code.NAME
            yield replace(call, paid_by_plan=True) if is_plans else call
        progress.advance(bar)


def _row(call: "Imported", prices: "PriceList") -> "RequestRow":
    """As the settler will make it."""
    from addon.settling.journal_reader import Call
    from addon.settling.rows import make_rows

    logged = call.logged()
    made = Call(call_id=logged.id, start=logged.start, end=logged.end, request=logged.request, response=logged.response)
    return make_rows(made, prices)[0]


def _candidate(row: "RequestRow") -> "Candidate":
    from analysis.already_there import Candidate

    return Candidate(
        row_id=row.request_id,
        response_id=row.response_id,
        session_id=row.session_id,
        tokens=(row.input_tokens, row.output_tokens),
    )


def _take(plan: _Plan, settings: Settings, paid_by_plan: bool, progress: "Progress") -> None:
    """Reads everything again, and journals what is to be taken. Raises Failure where the disk refuses it."""
    from addon.intake.logged import write as journal_call
    from addon.settling.process import settle_leftovers
    from addon.storage.folders import Folders
    from addon.storage.journal import Journal

    bar = progress.add_task("writing", total=len(plan.files))
    journal = Journal(Folders(settings.data).journal, on_trouble=warn)
    journal.open()
    left, is_kept = set(plan.taken), True
    try:
        for call in _calls_of(plan.files, paid_by_plan, progress, bar):
            if call.row_id in left:
                left.remove(call.row_id)
                is_kept = journal_call(journal, call.logged(), settings.max_body_bytes) and is_kept
    finally:
        journal.close()
    if not is_kept:
        raise Failure(f"{journal.folder} cannot be written: is the disk full? Import again, each call is taken once")
    settle_leftovers(settings.data, settings.config)  # if a proxy is at work, its settler does it


def _show(plan: _Plan) -> None:
    columns = ("source", "provider_name", "model", "calls", "cost_usd", "plan_list_cost_usd", "unpriced")
    rows = [
        (*key, calls, plan.nanousd[key] / 1e9, plan.listed_nanousd[key] / 1e9, plan.unpriced[key])
        for key, calls in plan.found.most_common()
    ]
    if rows:
        write(columns, rows, "table", keep_numbers=False)
    when = f", {_day(plan.first)} to {_day(plan.last)}" if plan.first else ""
    warn(
        f"{calls_in_words(len(plan.taken))} in {len(plan.files):,} files{when}, ${sum(plan.nanousd.values()) / 1e9:,.2f}"
    )
    if plan.there:
        warn(
            f"{calls_in_words(plan.there)} not taken: imported before, measured by the proxy, or repeated in these files"
        )


def _day(moment: datetime | None) -> str:
    return moment.date().isoformat() if moment else "-"
