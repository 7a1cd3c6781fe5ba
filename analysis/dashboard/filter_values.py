"""Suggestions for the filter field: names first, then the values of a name with their counts."""

from dataclasses import replace
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.dashboard.filters import KINDS, PROPERTY, exactly
from analysis.dashboard.formats import label, short
from analysis.dashboard.pages import Site
from analysis.dashboard.unseen import named
from analysis.dashboard.view import View, view_of
from analysis.quoting import quoted

_MOST: Final = 12


def routes(site: Site) -> list[Route]:
    async def suggest(request: Request) -> Response:
        view = view_of(request)
        typed = request.query_params.get("q", "")
        found = await _suggestions(site, view, typed)
        return Response(orjson.dumps(found), media_type="application/json")

    return [Route("/suggest", suggest)]


async def _suggestions(site: Site, view: View, typed: str) -> list[dict[str, Any]]:
    minus = "-" if typed.startswith("-") else ""
    text = typed.removeprefix("-")
    name, value = _split(text)
    if name is None:
        names = [f"{name}:" for name in (*KINDS, PROPERTY.removesuffix(":")) if name.startswith(text.lower())]
        shown: list[dict[str, Any]] = [{"text": f"{minus}{each}", "label": each} for each in names]
        words = {"text": f"words:{text}", "label": f"bodies with “{text}”", "is_whole": True}
        return [*shown, words] if text else shown
    if name == PROPERTY:
        rows = (
            await site.table(view, "property_names", groups=["properties"], typed=value.lower(), most=_MOST)
        ).records()
        return [
            {"text": f"{minus}{PROPERTY}{row['name']}=", "label": named(row["name"]), "note": short(row["calls"])}
            for row in rows
        ]
    column = KINDS[name].column if name in KINDS else None
    if name.startswith(PROPERTY):
        column = quoted(name)
    if column is None:
        return []
    wide = replace(view, filters=view.filters.without_name(name))
    table = await site.table(
        wide,
        "filter_values",
        [f"{column} as value"],
        [name] if name.startswith(PROPERTY) else [],
        typed=value.lower(),
        most=_MOST,
    )
    sign = "=" if name.startswith(PROPERTY) else ":"
    return [
        {
            "text": f"{minus}{name}{sign}{exactly(row['value'])}",
            "label": named(label(row["value"])),
            "note": short(row["calls"]),
            "is_whole": True,
        }
        for row in table.records()
    ]


def _split(text: str) -> tuple[str | None, str]:
    """Name and value of what is typed so far; no name: a name is being typed."""
    if text.startswith(PROPERTY):
        rest = text.removeprefix(PROPERTY)
        name, separator, value = rest.partition("=")
        return (f"{PROPERTY}{name}", value) if separator and name else (PROPERTY, rest)
    name, separator, value = text.partition(":")
    return (name, value) if separator and name in KINDS else (None, text)
