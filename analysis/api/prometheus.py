"""`GET /metrics`, for Prometheus: calls, tokens, money, and whether anything is lost.

Counters begin at the start of the proxy, as Prometheus expects of a process. What only the proxy knows comes with the
request, in a header of its own.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import orjson
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.hooks.endpoint_headers import COUNTS
from addon.settling import iceberg_status
from addon.settling.ship_status import Status, read_status
from addon.storage.folders import Folders
from analysis.api.openapi import documented
from analysis.api.question import records
from analysis.api.state import Api

MOST_NAMES: Final = 100  # models, and providers: what callers choose must not grow Prometheus without a bound

_MODEL: Final = ("provider", "model")
_CALL: Final = (*_MODEL, "mode", "status", "error_type", "cache", "limit")
_TOKENS: Final = {"input": "input_tokens", "cache_read": "cache_read_input_tokens", "output": "output_tokens"}
# Name, help, the column, and what one of it is.
_SUMS: Final = (
    (
        "heliograph_cost_usd",
        "Cost of the calls that have a price; see heliograph_unpriced_calls.",
        "cost_nanousd",
        1e-9,
    ),
    ("heliograph_saved_usd", "Money that hits and shared calls did not cost.", "saved_nanousd", 1e-9),
    ("heliograph_unpriced_calls", "Calls whose cost is not known.", "unpriced", 1),
    ("heliograph_retries", "Upstream calls beyond the first of a call.", "retries", 1),
    ("heliograph_duration_seconds", "Time from request to the answer's end, summed.", "duration_s", 1),
)
# What the proxy counts: name there, name here, help.
_COUNTED: Final = (
    ("seen", "heliograph_seen", "Calls that reached the proxy."),
    ("journalled", "heliograph_journalled", "Calls whose end is in the journal."),
    ("unlogged", "heliograph_unlogged", "Calls that the journal could not take."),
    ("overloaded", "heliograph_overloaded", "Calls that were refused since too much was under way."),
    ("unchecked", "heliograph_unchecked", "Calls whose limits could not be checked: their store was down."),
    ("passed", "heliograph_passed", "Other requests on providers' hosts, passed and not kept."),
)


_GAUGES: Final = {
    "under_way": "Calls under way.",
    "waiting": "Calls under way that wait for a slot.",
    "connections": "Open connections of callers.",
    "tasks": "Tasks of the event loop.",
}


def routes(api: Api) -> list[Route]:
    async def metrics(request: Request) -> Response:
        counts: dict[str, float] = orjson.loads(request.headers.get(COUNTS, "{}"))
        since = datetime.fromtimestamp(counts.get("started_at", 0), UTC)
        rows = await api.ask(lambda connection: records(connection, "prometheus", {"since": since, "most": MOST_NAMES}))
        registry = CollectorRegistry(auto_describe=False)
        shipping = read_status(Folders(api.settings.data))
        tables = iceberg_status.read_status(Folders(api.settings.data))
        registry.register(
            _Given([_info(), *_of_rows(rows), *_of_proxy(counts, rows), *_of_shipping(shipping), *_of_tables(tables)])
        )
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    text = {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return [
        documented("/metrics", metrics, method="GET", summary="For Prometheus", replaced={"responses": {"200": text}})
    ]


class _Given(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _info() -> Metric:
    """Labels of the process are on one metric, to be joined: on all of them they would make series of each restart.
    https://prometheus.io/docs/instrumenting/writing_exporters/#target-labels-not-static-scraped-labels"""
    info = GaugeMetricFamily("heliograph_info", "This proxy; always 1.", labels=("machine", "version"))
    info.add_metric([platform.node(), version("heliograph")], 1)
    return info


def _of_rows(rows: list[dict[str, Any]]) -> Iterator[Metric]:
    calls = CounterMetricFamily("heliograph_calls", "Settled calls.", labels=_CALL)
    for row in rows:
        labels = [row[name] for name in ("provider_name", "model", "mode", "status", "error_type")]
        calls.add_metric([*labels, row["cache_status"], row["rate_limit_status"]], row["calls"])
    yield calls
    tokens = CounterMetricFamily("heliograph_tokens", "Tokens; cache_read is part of input.", labels=(*_MODEL, "type"))
    for kind, column in _TOKENS.items():
        for labels, total in _by_model(rows, column):
            if total is not None:
                tokens.add_metric([*labels, kind], total)
    yield tokens
    for name, text, column, unit in _SUMS:
        family = CounterMetricFamily(name, text, labels=_MODEL)
        for labels, total in _by_model(rows, column):
            if total is not None:
                family.add_metric(labels, total * unit)
        yield family


def _of_proxy(counts: Mapping[str, float], rows: list[dict[str, Any]]) -> Iterator[Metric]:
    for there, name, text in _COUNTED:
        yield CounterMetricFamily(name, text, value=counts.get(there, 0))
    settled = sum(row["calls"] for row in rows if row["mode"] != "async")
    yield CounterMetricFamily("heliograph_settled", "Calls that passed and have their row.", value=settled)
    for name, text in _GAUGES.items():
        yield GaugeMetricFamily(f"heliograph_{name}", text, value=counts.get(name, 0))
    lag = max(0, counts.get("journalled", 0) - settled)
    yield GaugeMetricFamily("heliograph_journal_lag_calls", "Journalled calls that have no row yet.", value=lag)


def _of_shipping(status: Status | None) -> Iterator[Metric]:
    """Nothing where no lake in a bucket is set."""
    if status is None:
        return
    yield GaugeMetricFamily("heliograph_ship_waiting_files", "Files not shipped yet.", value=status.waiting_files)
    yield GaugeMetricFamily("heliograph_ship_waiting_bytes", "Bytes of these files.", value=status.waiting_bytes)
    failing = GaugeMetricFamily("heliograph_ship_failing", "1 while the store does not take files, else 0.")
    failing.add_metric([], int(status.trouble is not None))
    yield failing
    yield CounterMetricFamily("heliograph_shipped_bytes", "Bytes shipped since the start.", value=status.shipped_bytes)
    if status.shipped_at:
        moment = datetime.fromisoformat(status.shipped_at).timestamp()
        yield GaugeMetricFamily("heliograph_shipped_at_seconds", "When all files were shipped last.", value=moment)
    over = max(0, status.local_bytes - status.max_local_bytes)
    yield GaugeMetricFamily("heliograph_ship_bytes_over_bound", "Bytes here above max_local_bytes.", value=over)


def _of_tables(status: iceberg_status.Status | None) -> Iterator[Metric]:
    """Nothing where no Iceberg catalog is set."""
    if status is None:
        return
    name = "heliograph_iceberg_waiting_files"
    yield GaugeMetricFamily(name, "Files that no Iceberg table has, at the last failure.", value=status.waiting_files)
    failing = int(status.trouble is not None)
    yield GaugeMetricFamily(
        "heliograph_iceberg_failing", "1 while the tables are not up to date, else 0.", value=failing
    )
    if status.committed_at:
        moment = iceberg_status.epoch_of(status.committed_at)
        yield GaugeMetricFamily(
            "heliograph_iceberg_committed_at_seconds", "The last commit of all files.", value=moment
        )


def _by_model(rows: list[dict[str, Any]], column: str) -> list[tuple[list[str], float | None]]:
    """Sums by provider and model; None where nothing is known, as of calls without a price: that is not 0."""
    sums: dict[tuple[str, str], float | None] = {}
    for row in rows:
        key = row["provider_name"], row["model"]
        known, more = sums.get(key), row[column]
        sums[key] = known if more is None else more if known is None else known + more
    return [([*key], total) for key, total in sums.items()]
