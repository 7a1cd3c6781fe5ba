"""Properties. Source: Helicone's propertyController.ts. Their names are kept in lower case."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from analysis.api.bodies import read_object
from analysis.api.envelope import answer
from analysis.api.filters import pattern
from analysis.api.given import body_schema, read_given, required_window, text
from analysis.api.openapi import NUMBER, TEXT, documented, list_of, record
from analysis.api.question import records
from analysis.api.state import Api

MOST_VALUES: Final = 25  # of one search, as Helicone

_SEARCH_TERM: Final = text("searchTerm")
_WINDOW: Final = required_window()


def routes(api: Api) -> list[Route]:
    async def query(request: Request) -> Response:
        await read_object(request)  # {}: it takes nothing
        return answer(await api.ask(lambda connection: records(connection, "property_names")))

    async def search(request: Request) -> Response:
        given = await read_given(request, (_SEARCH_TERM,))
        parameters = {
            "key": request.path_params["key"].lower(),
            "pattern": pattern("contains", given[_SEARCH_TERM]),
            "limit": MOST_VALUES,
        }
        found = await api.ask(lambda connection: records(connection, "property_values", parameters))
        return answer([row["value"] for row in found])

    async def top_costs(request: Request) -> Response:
        given = await read_given(request, (_WINDOW,))
        parameters = {"key": request.path_params["key"].lower(), **given[_WINDOW].parameters()}
        return answer(await api.ask(lambda connection: records(connection, "property_top_costs", parameters)))

    return [
        documented(
            "/v1/property/query",
            query,
            summary="Names of all properties",
            body={"type": "object"},
            data=list_of(record(property=TEXT)),
            errors=(400, 413, 422),
        ),
        documented(
            "/v1/property/{key}/search",
            search,
            summary="Values of a property that contain a text, 25 of them",
            body=body_schema((_SEARCH_TERM,)),
            data=list_of(TEXT),
            errors=(400, 413, 422),
        ),
        documented(
            "/v1/property/{key}/top-costs/query",
            top_costs,
            summary="The ten values of a property that cost most, and `Other`; USD",
            body=body_schema((_WINDOW,)),
            data=list_of(record(value=TEXT, cost=NUMBER)),
            errors=(400, 413, 422),
        ),
    ]
