"""What one thing costs, as it was measured on 2 cores: what `scripts/simulate` reckons with. Each figure says where it is from.

CPU times are of processes, so they hold on a busy machine as well, within a fifth; a figure that is measured anew is changed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number, and where it was measured: a page of docs/, or the command that measures it again."""

    value: float
    unit: str
    what: str
    source: str


_BENCH: Final = "performance.md, heliograph up"
_SETTLER: Final = "performance.md, settler"
_TRIED: Final = "performance.md, Tried: 2.5 ms a call at 10 a second, so (2.5 - 0.4) x 10 ms in 6.3 looks with news"
_FITTED: Final = "fitted to the runs at little load below, which it meets within a fifth"
_REDIS: Final = "scripts.bench_shared"
_SHIPPING: Final = "scripts.bench_shipping, at a load of 9"
_CHARGED: Final = "RedisLedger.settle 76 to 103 µs and SqliteLimits.settle 65 to 78 µs, a budget each, at a load of 10"
_FLEET: Final = "three proxies of deploy/, requests counted before the store"
_DAY: Final = "scripts/made_lake.py, 1 and 3 million calls in a day"
_FILES: Final = "performance.md, Files"

# The proxy
JSON_CALL = Figure(1.05e-3, "s", "CPU of a JSON call in a worker", _BENCH)
STREAM_CALL = Figure(9.5e-3, "s", "CPU of a stream of 60 pieces, 10 ms apart, in a worker", _BENCH)
WAKE_WORKER = Figure(1.2e-3, "s", "CPU of a worker to begin where it had nothing to do", _FITTED)
OPEN_CALL = Figure(54e3, "bytes", "memory of a call under way", "performance.md, Many at once")
# The settler
SETTLE_JSON = Figure(0.29e-3, "s", "CPU of a JSON call in the settler", _SETTLER)
SETTLE_STREAM = Figure(0.65e-3, "s", "CPU of a stream in the settler", _SETTLER)
SETTLER_LOOK = Figure(3.3e-3, "s", "CPU of a look at the journal with news, beside its calls", _TRIED)
MERGE_CALL = Figure(65e-6, "s", "CPU to write a merged call's bodies once", _FILES)
SUMMARISE_CALL = Figure(6e-6, "s", "CPU of a call in the summary of a merged file", _DAY)
CHARGE_SETTLER = Figure(0.16e-3, "s", "CPU of the settler to charge a call in Redis and in its own file", _CHARGED)
SHIP_ROUND = Figure(39e-3, "s", "CPU of a shipping round without calls", _SHIPPING)
SHIP_CALL = Figure(31e-6, "s", "CPU of shipping one call more", _SHIPPING)
# Redis
DECIDE_LIMIT = Figure(59e-6, "s", "CPU of Redis for a decision about a limit", _REDIS)
DECIDE_BUDGET = Figure(89e-6, "s", "CPU of Redis for a decision about a limit and a budget", _REDIS)
CHARGE = Figure(53e-6, "s", "CPU of Redis for charging a call to a budget", _REDIS)
WAKE_REDIS = Figure(0.14e-3, "s", "CPU of Redis to begin where it had nothing to do", _FITTED)
# Files and objects
ROW_BYTES = Figure(69, "bytes", "a call in `requests`, merged", _FILES)
BODY_BYTES = Figure(662, "bytes", "a call's bodies, merged, sessions of 10 turns", _FILES)
NEW_BODY_BYTES = Figure(1667, "bytes", "a call's bodies, where turns of a session are not side by side", _FILES)
ROUND_PUTS = Figure(3, "requests", "PUT in a shipping round: rows, bodies, manifest", _FLEET)
ROUND_READS = Figure(3, "requests", "HEAD and GET in a shipping round: each is read back", _FLEET)
# Questions
SUMMARY_BYTES = Figure(8.46, "bytes", "a call in the summary of a merged file", _DAY)
READ_SUMMARY_BYTES = Figure(1.99, "bytes", "a call in the columns of its summary that `report costs` reads", _DAY)
READ_ROW_BYTES = Figure(12.4, "bytes", "a call in the columns of its row that `report costs` reads", _DAY)
CALLS_A_SUMMARY_ROW = Figure(4.5, "calls", "a row of the summary", _DAY)
SCAN_ROWS = Figure(6.7e6, "rows/s", "rows that `report costs` reads in a second of CPU", _DAY)

# Prices of S3 Standard in us-east-1, USD. https://aws.amazon.com/s3/pricing/, by stored copies of 2022 to 2024.
PUT_USD: Final = 0.005 / 1000  # PUT, COPY, POST, LIST
GET_USD: Final = 0.0004 / 1000  # GET, HEAD
STORAGE_USD: Final = ((50e3, 0.023), (450e3, 0.022), (float("inf"), 0.021))  # GB of this tier, a GB and month


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was measured, and the same for the simulation: the fields of `Fleet`, and of `Outcome` those that were measured."""

    what: str
    fleet: Mapping[str, Any]
    measured: Mapping[str, float]


_BENCHED: Final = {"proxies": 1, "connections": 16, "provider_s": 0.0, "has_redis": False, "seconds": 5.0}
_QUIET: Final = {"proxies": 2, "calls_s": 60.0, "provider_s": 0.0, "store_s": 0.005, "seconds": 100.0}
RUNS: Final = (
    Run("JSON, 1 worker, 16 connections", _BENCHED, {"calls_s": 912, "added_p50_ms": 16.2, "settler_share": 0.365}),
    Run(
        "2 proxies, 60 JSON calls a second, a limit and a budget",
        _QUIET,
        {
            "worker_share": 0.108,
            "settler_share": 0.068,
            "redis_share": 0.025,
            "decisions_s": 59.4,
            "rounds_min": 4.2,
            "requests_min": 31.5,
        },
    ),
    Run(
        "the same, 2 workers for each proxy",
        {**_QUIET, "workers": 2, "calls_s": 58.9},
        {"worker_share": 0.060, "settler_share": 0.064, "redis_share": 0.025, "rounds_min": 2.2, "requests_min": 23.6},
    ),
    Run(
        "2 proxies, 19 streams a second, a limit and a budget",
        {**_QUIET, "calls_s": 19.2, "streams": 1.0, "provider_s": 0.6},
        {"worker_share": 0.099, "settler_share": 0.054, "redis_share": 0.010, "rounds_min": 3.8, "requests_min": 29.8},
    ),
)
