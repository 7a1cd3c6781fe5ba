"""The pages that show reports: a chart over time, and tables that are sorted by a click. One entry of PAGES a page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.metering.overrides import PriceOverride
from analysis.dashboard.downloads import MOST_ROWS as MOST_IN_FILE
from analysis.dashboard.downloads import kind_of, sql_file, table_file
from analysis.dashboard.filters import MOST_FILTERS, exactly
from analysis.dashboard.over_time import SPEND_AND_CALLS, Sums, over_time
from analysis.dashboard.pages import Page, Site, kept
from analysis.dashboard.report_table import OF_SOME, CallsAre, CallsOf, Tokens, shown, token_of
from analysis.dashboard.view import View, view_of
from analysis.lake import Connection
from analysis.quoting import quoted
from analysis.reports.asking import answer
from analysis.reports.grouping import own_columns
from analysis.reports.prepared import prepare
from analysis.reports.prompt_cache import SESSIONS as PROMPT_CACHE_SESSIONS
from analysis.reports.question import Question
from analysis.reports.report import load
from analysis.reports.scope import NO_LIMIT, open_scope, set_variables
from analysis.table import Table, fetch

MOST_ROWS: Final = 200
MOST_IDS: Final = MOST_FILTERS - 10  # calls that a link names one by one
EMPTY: Final = "Nothing in this window fits these filters."
_UNPRICED_WHY: Final = {
    "no usage found": "not-stated",
    "heliograph does not read": "not-read",
    "names no model": "no-model",
    "no price known": "no-price",
}
_ERROR_USAGE: Final = ("input_tokens", "output_tokens", "unpriced")
_TOOL_CALLS: Final = "select tool_name, list(distinct request_id) from tool_uses group by all"
_NO_CACHE: Final = "No call of this window was answered from the cache."
_NOT_RATED: Final = (
    "No call of this window is rated. A call's own page rates it, and so do the API and heliograph feedback."
)


@dataclass(frozen=True, slots=True)
class Part:
    """A report on a page. `name`: its place in the address; `by`: what it is grouped by, where not by its default."""

    name: str
    title: str
    report: str
    by: tuple[str, ...] = ()
    note: str = ""  # what a reader must know of it
    height: str = "l"
    most: int = MOST_ROWS
    empty: str = EMPTY  # in place of a table without rows
    calls_are: CallsAre = ()
    without: tuple[str, ...] = ()  # columns that only the exports have: the table must fit a window of 1280 px
    tokens: tuple[str, ...] = ()  # filters that the first columns are, where their names do not say so
    of_some: Sequence[tuple[str, Tokens | None]] = ()  # in place of what OF_SOME has under that name
    none_is_all: bool = False  # a row without a value of its first column is of all calls
    calls_of: CallsOf | None = None  # which calls a row counts, where its columns are no filters
    # SQL on the report's connection: for each value of its first column the ids of the calls that it counts, where filters
    # cannot say them. A row of more than MOST_IDS has no links.
    ids: str = ""


@dataclass(frozen=True, slots=True)
class ReportPage:
    """`stack`: the charts over time are stacked by this column of `calls`; None: no charts."""

    PAGE: Page
    parts: tuple[Part, ...]
    stack: str | None = None
    chart: Sums = SPEND_AND_CALLS

    def routes(self, site: Site) -> list[Route]:
        def page(request: Request) -> Response:
            view = view_of(request)
            return site.page(request, "report_page.html", view, parts=self.parts, has_charts=self.stack is not None)

        async def charts(request: Request) -> Response:
            by = self.stack or "model"
            return await over_time(site, view_of(request), by, token_of(by), self.chart)

        return [
            Route(self.PAGE.path, page),
            Route(f"{self.PAGE.path}/-/over-time", kept(site, charts)),
            *(Route(f"{self.PAGE.path}/-/{part.name}", kept(site, partial(_part, site, part))) for part in self.parts),
        ]


async def _part(site: Site, part: Part, request: Request) -> Response:
    return await report_part(site, view_of(request), part)


async def report_part(site: Site, view: View, part: Part) -> Response:
    """The report as a table. Its title is read aloud by screen readers. The page's option `sort` names a column; with a `-`
    before it the smallest come first."""
    found = load(part.report)
    is_compared = view.compares and found.can_compare and not found.reads_before
    question = Question(
        report=found,
        window=view.window,
        by=part.by,
        where=view.filters.where(reads_before=is_compared or found.reads_before),
        is_compared=is_compared,
        limit=part.most + 1,  # so that it is known whether there are more
    )
    kind = kind_of(view)
    if kind == "sql":
        return sql_file(part.report, question.sql, question.scope, {"most": MOST_IN_FILE})
    if kind:
        question = replace(question, limit=MOST_IN_FILE)
    sort, own_prices = view.options.get("sort", ""), site.dashboard.settings().prices

    def asked(connection: Connection) -> tuple[Table, Mapping[Any, Sequence[str]]]:
        table = _sorted(connection, question, sort, own_prices)
        return table, {} if kind or not part.ids else _ids(connection, question, part.ids, own_prices)

    table, ids = await site.dashboard.api.ask(asked)
    if kind:
        return table_file(part.report, kind, table)
    filters = part.tokens or ([name for name in part.by if token_of(name)] if len(part.by) == 1 else ())
    return site.part(
        "report_table.html",
        view,
        shown=shown(
            table,
            view,
            by=filters,
            most=part.most,
            without=part.without,
            calls_are=part.calls_are,
            keys={*filters, *(part.by or own_columns(found.sql)), *found.keys},
            of_some={**OF_SOME, **dict(part.of_some)},
            none_is_all=part.none_is_all,
            calls_of=part.calls_of or (_named(table.columns[0], ids) if ids else None),
        ),
        has_more_columns=bool(part.without),
        most=part.most,
        sort=sort,
        title=part.title,
        note=part.note,
        empty=part.empty,
    )


def _ids(
    connection: Connection, question: Question, sql: str, own_prices: Sequence[PriceOverride]
) -> Mapping[Any, Sequence[str]]:
    """Of the table that the report was made of, which is there still; beside the period before it is that one's."""
    if question.is_compared:
        open_scope(connection, question.scope, question.views)
        prepare(connection, question.report.name, question.limit or NO_LIMIT, own_prices)
    return dict(fetch(connection, sql).rows)


def _named(column: str, ids: Mapping[Any, Sequence[str]]) -> CallsOf:
    """The calls of a row, one by one; none where they are too many."""
    return lambda row: [("id", found)] if len(found := ids.get(row[column], ())) <= MOST_IDS and found else []


def _equal(row: Mapping[str, Any]) -> Tokens:
    return [("repeats", row["request_id"])]


def of_reason(row: Mapping[str, Any]) -> Tokens:
    """The calls without a price of one row of `unpriced`, by its column `why`."""
    why = row["why"]
    if error := re.fullmatch(r"ended \((.*)\) before its usage was known", why, re.DOTALL):
        return [("unpriced", "ended"), ("error", exactly(error[1]))]
    return [("unpriced", next(value for begin, value in _UNPRICED_WHY.items() if why.startswith(begin)))]


def _sorted(connection: Connection, question: Question, sort: str, own_prices: Sequence[PriceOverride]) -> Table:
    """The answer in its own order, or by a column that it has. Beside the period before only the first rows are sorted."""
    column = sort.removeprefix("-")
    if not column or question.is_compared:
        table = answer(connection, question, own_prices)
        if column in table.columns:
            place = table.columns.index(column)
            known = [row for row in table.rows if row[place] is not None]
            known.sort(key=lambda row: row[place], reverse=not sort.startswith("-"))
            return Table(table.columns, [*known, *(row for row in table.rows if row[place] is None)])
        return table
    open_scope(connection, question.scope, question.views)
    prepare(connection, question.report.name, question.limit, own_prices)
    set_variables(connection, {"most": NO_LIMIT})
    if column not in connection.sql(question.sql).columns:
        return answer(connection, question, own_prices)
    order = "asc" if sort.startswith("-") else "desc"
    return fetch(
        connection,
        f"select * from (\n{question.sql}\n) order by {quoted(column)} {order} nulls last limit {question.limit}",
    )


PAGES: Final = (
    ReportPage(
        Page("/models", "Models", "m", "Break down"),
        (
            Part("costs", "Cost and tokens", "models"),
            Part("latency", "Latency", "latency", ("model",)),
            Part(
                "throughput", "Speed", "throughput", ("model",), "Of answers that a provider gave, without cache hits."
            ),
            Part(
                "retries",
                "Retries and fallbacks",
                "retries",
                (),
                "Saved: calls that failed at first and were answered in the end. Lost time: until the last failed attempt ended.",
                "m",
                empty="No call of this window was sent more than once.",
                without=("extra_attempts", "unpriced", "p50_ms"),
            ),
            Part(
                "unpriced",
                "Without a price",
                "unpriced",
                (),
                "These calls are in no sum of costs.",
                "m",
                empty="Every call of this window has a price.",
                calls_of=of_reason,
            ),
        ),
        "model",
    ),
    ReportPage(
        Page("/users", "Users", "u", "Break down"),
        (
            Part("costs", "Cost and tokens", "users"),
            Part(
                "anomalies",
                "Unusual days",
                "anomalies",
                ("user",),
                "Days far from the median of the 28 days before. A week of history is needed.",
                "m",
                none_is_all=True,
            ),
        ),
        "user",
    ),
    ReportPage(
        Page("/clients", "Clients", "c", "Break down"),
        (
            Part("clients", "Programs", "clients", (), "By the beginning of the user agent.", tokens=("program",)),
            Part("repositories", "Repositories", "repositories", (), "Of programs on the proxy's machine."),
            Part(
                "tools",
                "Tools",
                "tools",
                (),
                f"That the answers of the newest calls ask for. Their text alone says which, so of more than {MOST_IDS} calls there is no link.",
                ids=_TOOL_CALLS,
                empty="No answer of this window asks for a tool.",
                without=("arguments_chars", "unpriced"),
            ),
        ),
        "client",
    ),
    ReportPage(
        Page("/errors", "Errors", "e", "Watch"),
        (
            Part("errors", "What goes wrong", "errors", without=_ERROR_USAGE),
            Part("models", "By model", "errors", ("model",), without=_ERROR_USAGE),
        ),
        "error",
        (("Errors", "errors", "count"),),
    ),
    ReportPage(
        Page("/cache", "Cache", "h", "Watch"),
        (
            Part(
                "cache",
                "Hit rate and savings",
                "cache",
                (),
                "Of calls that had the cache on.",
                empty="No call of this window had the cache on.",
                calls_are=(("cache", "*"),),
                of_some=(("unpriced", None),),
            ),
            Part(
                "hits",
                "Answers given most often",
                "cache-hits",
                (),
                "",
                "m",
                empty=_NO_CACHE,
                tokens=("cached_from",),
                of_some=(("hits", ()),),
            ),
            Part(
                "duplicates",
                "Worth caching",
                "duplicates",
                (),
                "Equal calls that reached a provider again.",
                calls_of=_equal,
                without=("request_hash",),
            ),
        ),
        "model",
        (("Saved", "saved_usd", "usd"),),
    ),
    ReportPage(
        Page("/prompt-cache", "Prompt-cache doctor", "k", "Watch"),
        (
            Part(
                "sessions",
                "Sessions that read least from the provider's cache",
                "prompt-cache",
                (),
                "A provider reads the beginning of a prompt from its cache as far as it is the same as in the turn before. Here is what"
                " changed first, and what it cost that the rest was not read from the cache.",
                "xl",
                PROMPT_CACHE_SESSIONS,
                without=(
                    *("cache_read_input_tokens", "lost_tokens", "missed", "missed_usd", "turn", "input_tokens"),
                    "request_id",
                ),
            ),
        ),
    ),
    ReportPage(
        Page("/feedback", "Feedback and scores", "f", "Watch"),
        (
            Part("feedback", "Ratings by model", "feedback", empty=_NOT_RATED),
            Part("prompts", "Ratings by prompt", "feedback", ("prompt",), "", "m", empty=_NOT_RATED),
            Part("users", "Ratings by user", "feedback", ("user",), "", "m", empty=_NOT_RATED),
            Part("scores", "Scores by model", "scores", empty="No call of this window has a score."),
        ),
    ),
)
