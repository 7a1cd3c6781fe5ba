"""What one request asks to see: filters, window of time, zone, and how to link on from there. Pure but for the clock."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote

from starlette.requests import Request

from analysis.dashboard.filters import EMPTY_TEXT, KINDS, PROPERTY, Filter, Filters, NotAFilter, parse, parse_token
from analysis.dashboard.sessions import Viewer
from analysis.dashboard.state import BASE
from analysis.reports.scope import Scope
from analysis.reports.window import Window, before, parse_window, span_of
from analysis.reports.zone import UTC_ZONE, Zone, zone_of

PRESETS: Final = {
    "1h": "Last hour",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "90d": "Last 90 days",
    "today": "Today",
    "this-month": "This month",
    "last-month": "Last month",
}
DEFAULT_SINCE: Final = "30d"
TYPED: Final = "token"  # what a person typed into the filter field
PART: Final = "/-/"  # in the address of a part of a page
THEMES: Final = ("light", "dark")
ZONE_COOKIE: Final = "heliograph_zone"
THEME_COOKIE: Final = "heliograph_theme"
# Kept in every link between pages; `compare`: with the period before.
CARRIED: Final = ("since", "until", "compare", "zone")
# Names in a query that are not filters: those above, and what single pages use.
_NOT_FILTERS: Final = frozenset(
    {*CARRIED, "by", "sort", "after", "before", "columns", "most", "as", "live", "tab", "q", "name", "metric"}
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNTIL_NEXT: Final = {"yesterday": "today", "last-month": "this-month", "last-week": "this-week"}


@dataclass(frozen=True, slots=True)
class View:
    """`options`: the names of the query that are not filters, e.g. `sort`, as they came."""

    viewer: Viewer | None
    path: str  # of the page that the person looks at
    filters: Filters
    options: dict[str, str]
    window: Window
    complaints: tuple[str, ...]
    theme: str | None
    zone_is_known: bool  # the browser has told its zone, or the address names one
    was_typed: bool = False  # the address has a token as it was typed; `url()` is the readable one

    @property
    def zone(self) -> Zone:
        return self.window.zone

    @property
    def compares(self) -> bool:
        return self.options.get("compare") == "1"

    @property
    def since(self) -> str:
        return self.options.get("since") or DEFAULT_SINCE

    def scope(
        self, properties: Sequence[str] = (), *, reads_before: bool = False, groups: Sequence[str] | None = None
    ) -> Scope:
        """For `open_scope`. `properties`: names like `property:feature` that the SQL groups by; `reads_before`: the SQL asks
        `calls_before`, too; `groups`: all columns of `calls_summed` that it asks, beside numbers."""
        where = self.filters.where(reads_before=reads_before)
        return Scope(self.window, where, tuple(properties), None if groups is None else tuple(groups))

    def url(self, path: str | None = None, filters: Filters | None = None, **options: str | None) -> str:
        """The address of a page (`/requests`) with these filters and the window of time kept. An option that is None is
        left out. Options of a page stay only on that page and its parts."""
        kept: dict[str, str | None] = (
            {**self.options}
            if path is None or path.partition(PART)[0] == self.path
            else {name: value for name, value in self.options.items() if name in CARRIED}
        )
        kept = {**kept, "as": None, **options}
        pairs = [(name, value) for name, value in kept.items() if value is not None]
        pairs += (self.filters if filters is None else filters).pairs()
        query = "&".join(f"{_quote(name)}={_quote(value)}" for name, value in pairs)
        return f"{BASE}{path or self.path}{'?' if query else ''}{query}"

    def rows(self, *tokens: tuple[str, object], **options: str | None) -> str:
        """The address of the calls behind a number: the page Requests with these filters added. Each value is a filter's
        (`exactly` makes one of a stored value); of a list each is an alternative."""
        filters = self.filters
        for name, value in tokens:
            values = value if isinstance(value, list | tuple) else [value]
            filters = filters.without_name(name)
            for each in values:
                filters = filters.having(name, str(each))
        return self.url("/requests", filters, **options)

    def during(self, begin: datetime, length: timedelta, *tokens: tuple[str, object]) -> str:
        """The same for a piece of the window. `begin`: UTC."""
        begin = max(begin if begin.tzinfo else begin.replace(tzinfo=UTC), self.window.since)
        end = begin + length
        return self.rows(*tokens, since=iso(begin), until=iso(end))

    @property
    def earlier(self) -> Window:
        return before(self.window)


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _quote(text: str) -> str:
    """Readable: what a filter is written with stays as it is; a space is a plus."""
    return quote(text, safe=":<>!/*,@ ").replace(" ", "+")


def view_of(request: Request) -> View:
    """Of a page, or of a part of it: `/overview/-/totals` is a part of `/overview`."""
    page, _, _ = request.url.path.removeprefix(BASE).partition(PART)
    return read_view(
        request.query_params.multi_items(),
        path=page,
        zone_name=remembered(request, ZONE_COOKIE),
        theme=remembered(request, THEME_COOKIE),
        viewer=getattr(request.state, "viewer", None),
        now=datetime.now(UTC),
    )


def remembered(request: Request, cookie: str) -> str | None:
    """What the browser keeps under this name: its scripts write `Europe%2FBerlin` for Europe/Berlin."""
    value = request.cookies.get(cookie)
    return None if value is None else unquote(value)


def read_view(
    pairs: Sequence[tuple[str, str]],
    *,
    path: str,
    zone_name: str | None,
    theme: str | None,
    viewer: Viewer | None,
    now: datetime,
) -> View:
    """`zone_name`: what the browser says; a zone in the query wins."""
    options = {name: value for name, value in pairs if name in _NOT_FILTERS and value and "\0" not in value}
    filters = parse((name, value) for name, value in pairs if name not in _NOT_FILTERS and name != TYPED)
    complaints = list(filters.complaints)
    typed = [value for name, value in pairs if name == TYPED and value.strip()]
    for text in typed:
        try:
            token = parse_token(text)
            filters = filters.having(token.name, token.value, negated=token.negated)
        except NotAFilter as problem:
            complaints.append(str(problem))
    zone, is_known = _zone(options, zone_name, complaints)
    window = _window(options, now, zone, complaints)
    return View(
        viewer=viewer,
        path=path,
        filters=replace(filters, complaints=()),
        options=options,
        window=window,
        complaints=tuple(complaints),
        theme=theme if theme in THEMES else None,
        zone_is_known=is_known,
        was_typed=bool(typed) and not complaints,
    )


def _zone(options: dict[str, str], of_browser: str | None, complaints: list[str]) -> tuple[Zone, bool]:
    asked = options.get("zone")
    for name in (asked, of_browser):
        if not name:
            continue
        try:
            return zone_of(name), True
        except ValueError:
            if name == asked:
                complaints.append(f"{name[:80]!r} is not a time zone; write e.g. zone=Europe/Berlin; it is left out")
                del options["zone"]
    return UTC_ZONE, bool(of_browser)


def _window(options: dict[str, str], now: datetime, zone: Zone, complaints: list[str]) -> Window:
    """What the options say; where they make no sense, the last 30 days."""
    until = options.get("until") or _UNTIL_NEXT.get(options.get("since", ""))
    since = options.get("since") or DEFAULT_SINCE
    try:
        return _at_a_step(parse_window(since, until, now, zone), since)
    except ValueError as problem:
        # The words about the zone are of the command line; here it is the viewer's.
        said = str(problem).replace("that of --tz", "yours")
        complaints.append(f"{said}; the last 30 days are shown")
        options.pop("since", None)
        options.pop("until", None)
        return _at_a_step(parse_window(DEFAULT_SINCE, None, now, zone), DEFAULT_SINCE)


def _at_a_step(window: Window, since: str) -> Window:
    """A span of days begins with a quarter of an hour, a shorter one with a minute: so all parts of a page, and the page when
    it is loaded again, are about the same calls."""
    if not (span := span_of(since)):
        return window
    step = timedelta(minutes=15) if span >= timedelta(days=1) else timedelta(minutes=1)
    return replace(window, since=floored(window.since, step))


def floored(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step


def suggested_names() -> list[tuple[str, str]]:
    """What can be typed before a colon, and what it means."""
    return [(name, kind.title) for name, kind in KINDS.items()] + [(f"{PROPERTY}NAME", "property")]


def token_text(token: Filter) -> str:
    """The token as a person reads it: `model is not gpt-5`."""
    relation = "is not" if token.negated else "is"
    if token.name == "words":
        return f"{'without' if token.negated else 'with'} the words {token.value}"
    if token.value == "":
        return f"{token.title} {'is set' if token.negated else 'is not set'}"
    if token.value == "*":
        return f"{token.title} {'is not set' if token.negated else 'is set'}"
    if token.value == EMPTY_TEXT:
        return f"{token.title} {relation} empty"
    kind = KINDS.get(token.name)
    if token.value[0] in "<>" and kind and (kind.column is None or token.name == "status"):
        return f"{token.title} {'not ' if token.negated else ''}{token.value}"
    return f"{token.title} {relation} {token.value}"
