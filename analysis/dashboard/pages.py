"""How a page is made: its place in the navigation, its templates, its questions to the lake, and downloads of tables."""

from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from addon.config.reload import state_of
from addon.storage.folders import Folders
from analysis.alerts.message import number
from analysis.dashboard import files, formats
from analysis.dashboard.filters import exactly
from analysis.dashboard.state import BASE, Dashboard
from analysis.dashboard.unseen import finalized
from analysis.dashboard.view import PART, PRESETS, View, floored, iso, suggested_names, token_text, view_of
from analysis.lake import Connection
from analysis.reports.grouping import with_columns
from analysis.reports.scope import named_in, open_scope, set_variables
from analysis.table import Table, fetch

# A chart of a part that is kept ends at most so long ago: then a new step may have begun.
_DRAWN_FOR: Final = timedelta(minutes=15)
_SQL_FOLDERS: Final = (Path(__file__).with_name("sql"), Path(__file__).parents[1] / "reports" / "sql")


@dataclass(frozen=True, slots=True)
class Page:
    """One entry of the navigation. `letter`: after `g` it opens the page; `group`: the heading it stands under."""

    path: str
    title: str
    letter: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """All pages and the templates; what every page is rendered with."""

    dashboard: Dashboard
    pages: Sequence[Page]

    @property
    def templates(self) -> jinja2.Environment:
        return compiled_templates()

    def page(self, request: Request, template: str, view: View, status: int = 200, **values: object) -> Response:
        """A whole page. Its template extends `page.html`; its slow parts follow by themselves (macro `part`)."""
        if view.was_typed:
            return RedirectResponse(view.url(), 303)
        shown: dict[str, object] = {
            "view": view,
            "site": self,
            "pages": self.pages,
            "page": next((page for page in self.pages if page.path == view.path), None),
            "presets": PRESETS,
            "names": suggested_names(),
            "has_proxy": self.dashboard.has_proxy,
            "status": status,
            "missing_folder": self._missing_folder(),
        }
        return HTMLResponse(self.templates.get_template(template).render(shown | values), status)

    def _missing_folder(self) -> Path | None:
        """The data folder, where it is not there (any more): without a word its pages would look as if no call was made."""
        data = self.dashboard.api.settings.data
        return None if data.is_dir() else data

    def part(self, template: str, view: View, **values: object) -> Response:
        """A part of a page: HTML without a head, put in place by htmx."""
        return HTMLResponse(self.fragment(template, view, **values))

    def fragment(self, template: str, view: View, **values: object) -> str:
        return self.templates.get_template(template).render({"view": view, "site": self} | values)

    async def ask[T](
        self,
        view: View,
        question: Callable[[Connection], T],
        property_names: Sequence[str] = (),
        *,
        views: Collection[str] = ("calls", "calls_summed"),
        reads_before: bool = False,
        groups: Sequence[str] | None = None,
    ) -> T:
        """What a question answers on a connection that has these views of the page's scope (see `View.scope`)."""

        def in_scope(connection: Connection) -> T:
            scope = view.scope(property_names, reads_before=reads_before, groups=groups)
            open_scope(connection, scope, views)
            return question(connection)

        return await self.dashboard.api.ask(in_scope)

    async def table(
        self,
        view: View,
        name: str,
        by: Sequence[str] = (),
        property_names: Sequence[str] = (),
        *,
        reads_before: bool = False,
        groups: Sequence[str] | None = None,
        **variables: object,
    ) -> Table:
        """The answer to one .sql file. `by`: SQL in place of its line that ends in `-- by`; `property_names`: like
        `property:feature`, the properties that `by` names; `reads_before`: it asks `calls_before`, too; `groups`: see
        `View.scope`; `variables`: what the file reads by `getvariable`."""

        def question(connection: Connection) -> Table:
            return run(connection, name, variables, by)

        views = named_in(sql_text(name))
        return await self.ask(view, question, property_names, views=views, reads_before=reads_before, groups=groups)

    async def row(self, view: View, name: str, groups: Sequence[str] | None = None) -> dict[str, Any]:
        """The same for a question that has one row."""
        (row,) = (await self.table(view, name, groups=groups)).records()
        return row


type Answer = Callable[[Request], Awaitable[Response]]


def kept(site: Site, answer: Answer, made_of: Callable[[Site], Awaitable[Hashable]] | None = None) -> Answer:
    """The route of a part that is made of the lake, the settings, the prices and the address with its cookies alone: it is
    made again once one of them changed. `made_of`: what else it is made of, as it is now."""

    async def asked(request: Request) -> Response:
        view = view_of(request)
        if "as" in view.options:  # a file to download
            return await answer(request)

        async def make() -> bytes:
            return bytes((await answer(request)).body)

        window = view.window
        drawn_at = window.asked_at and floored(window.asked_at, _DRAWN_FOR)
        of_window = (window.since, window.until, drawn_at)
        more = await made_of(site) if made_of else None
        key = (request.url.path, request.url.query, request.headers.get("cookie"), of_window, more)
        settings = site.dashboard.settings()
        prices = state_of(Folders(settings.data).prices)
        return HTMLResponse(await site.dashboard.parts.get((settings, prices), key, make))

    return asked


def run(
    connection: Connection, name: str, variables: Mapping[str, object] | None = None, by: Sequence[str] = ()
) -> Table:
    """A .sql file on a connection that has its scope. `by`: SQL in place of its line `-- by`."""
    set_variables(connection, variables or {})
    sql = sql_text(name)
    return fetch(connection, with_columns(sql, by) if by else sql)


@cache
def sql_text(name: str) -> str:
    """The question of that name: of a page, or one that the reports have too."""
    file = next(file for folder in _SQL_FOLDERS if (file := folder / f"{name}.sql").exists())
    return file.read_text(encoding="utf-8")


@cache
def compiled_templates() -> jinja2.Environment:
    """All of them, compiled when they are used first."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalized,
    )
    for name in (
        "usd",
        "usd_exact",
        "count",
        "counted",
        "short",
        "duration",
        "percent",
        "unknown",
        "with_code",
        "breaking",
        "label",
    ):
        environment.filters[name] = getattr(formats, name)
    environment.filters["amount"] = lambda value: formats.DASH if value is None else number(value)
    environment.filters["bytes"] = formats.bytes_
    environment.filters["moment"] = partial(_moment, formats.TO_THE_SECOND)
    environment.filters["minute"] = partial(_moment, formats.TO_THE_MINUTE)
    environment.filters["day"] = partial(_moment, formats.TO_THE_DAY)
    environment.filters["token"] = token_text
    environment.filters["exactly"] = exactly
    environment.filters["iso"] = iso
    environment.globals |= {
        "static": files.address,
        "base": BASE,
        "part_mark": PART,
        "change": formats.change,
        "unknown": formats.unknown,
    }
    return environment


def _moment(pattern: str, value: datetime | None, view: View) -> str:
    return formats.DASH if value is None else formats.moment(value, view.zone.local_row((value,))[0], pattern)
