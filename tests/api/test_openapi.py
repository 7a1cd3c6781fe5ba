"""The document says what the app does: every route, what it takes and what it answers."""

import re
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from starlette.routing import BaseRoute, Route

from addon.config.settings import Settings
from addon.routing.own_endpoints import ENDPOINTS
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from analysis.api.app import make_app
from analysis.api.openapi import document
from analysis.api.sql_workers import SqlWorkers
from analysis.api.state import Api
from analysis.lake import Lake
from tests.api.conftest import Client


def app_routes() -> list[BaseRoute]:
    """Those of the app, over a folder that nobody looks into."""
    data = Path("nowhere")
    journal = Journal(Folders(data).journal)
    return make_app(
        Api(
            settings=Settings(data=data, config=data),
            secret=b"",
            lake=Lake(data),
            sql=SqlWorkers(data),
            journal=journal,
        )
    ).routes


def test_every_route_is_in_the_document_and_nothing_else(api: Client) -> None:
    served = api.http.get("/openapi.json").json()
    routes = app_routes()
    there = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    said = {(path, method) for path, operations in served["paths"].items() for method in operations}
    assert said == there
    assert served == document(routes)


def test_the_api_serves_what_the_table_of_endpoints_says_and_nothing_else() -> None:
    served = {
        (method, route.path)
        for route in app_routes()
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == {(own.method, own.pattern) for own in ENDPOINTS if own.served_by == "api"}


def test_every_reference_leads_somewhere(api: Client) -> None:
    served = api.http.get("/openapi.json")
    names = set(re.findall(r'"#/components/schemas/(\w+)"', served.text))
    assert names == set(served.json()["components"]["schemas"])


CONFIG = SchemathesisConfig.from_dict(
    {
        # 413 and 422 answer what is well-formed, and too much at once; a body may be both too long and wrong.
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", "404", "413", "422"]},
            "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "422"]},
        },
        # Walks through every column and operator of a filter, with thousands of requests; test_filters.py has them.
        "phases": {"coverage": {"enabled": False}},
        # Not every text is SQL, and what a log's parts may be is more than a schema says; test_logs.py has it.
        "operations": [
            {
                "include-path-regex": "/(log|trace)",
                "checks": {"positive_data_acceptance": {"enabled": False}},
            },
            {
                "include-path": "/v1/helicone-sql/execute",
                "checks": {"positive_data_acceptance": {"enabled": False}},
            },
        ],
    }
)
schema = schemathesis.openapi.from_dict(document(app_routes()), config=CONFIG)


@schema.parametrize()
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_the_document_says_whatever_is_asked(case: Case[Any], api: Client) -> None:
    case.call_and_validate(base_url=api.url)
