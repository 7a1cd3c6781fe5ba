"""Calls through a real proxy beside an export made of them, with differences that are known."""

import json
from datetime import UTC
from typing import Any

from click.testing import CliRunner

from addon.commands.cli import main
from addon.demo.behaviour import Behaviour
from addon.demo.providers import FakeProviders
from addon.metering.model_names import plain_name
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, Row, wait_for

MATCHED, BYPASSED, HALF = "gpt-4.1-mini", "gpt-4.1", "gpt-4.1-nano"


def test_calls_through_the_proxy_beside_a_bill_with_known_differences(proxy: Proxy, provider: FakeProviders) -> None:
    calls = [(MATCHED, 2), (BYPASSED, 1), (HALF, 1)]
    with plain(proxy) as client:
        for model, times in calls:
            for _ in range(times):
                client.post("/openai/v1/chat/completions", json=CHAT | {"model": model}).raise_for_status()
        provider.script(Behaviour(status=500))
        client.post("/openai/v1/chat/completions", json=CHAT | {"model": MATCHED})
        names = tuple(model for model, _ in calls)
        rows = wait_for(lambda: _all_of(proxy.rows(f"request_model in {names}"), 5))
    usage, costs = [], []
    for row in rows:
        if row["status"] != 200:
            continue  # OpenAI bills no errors
        times = 3 if row["request_model"] == BYPASSED else 1  # two more came from somewhere else
        usage.append(_usage(row, times))
        costs.append(_cost(row, times / 2 if row["request_model"] == HALF else times))
    told = _reconcile(proxy, usage, costs)
    assert {model: (row["result"], row["reason"]) for model, row in told.items() if model in names} == {
        MATCHED: ("matched", None),
        BYPASSED: ("missing here", told[BYPASSED]["reason"]),
        HALF: ("priced differently", "billed at half the price here: batch or flex"),
    }
    assert "calls that did not go through this proxy" in told[BYPASSED]["reason"]
    assert told[MATCHED]["difference_usd"] == 0
    assert told[MATCHED]["cost_usd"] > 0


def _all_of(rows: list[Row], count: int) -> list[Row]:
    return rows if len(rows) == count else []


def _reconcile(proxy: Proxy, usage: list[dict[str, Any]], costs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    files = []
    for name, buckets in (("usage", usage), ("costs", costs)):
        file = proxy.data.parent / f"{proxy.data.name}-{name}"
        file.write_text(json.dumps({"object": "page", "data": buckets, "has_more": False}))
        files.append(str(file))
    answered = CliRunner().invoke(main, ["reconcile", *files, "--by", "model", "--json", "--data", str(proxy.data)])
    assert answered.exit_code == 0, answered.output
    return {plain_name(row["model"]): row for row in json.loads(answered.stdout) if row["model"]}


def _bucket(row: Row, result: dict[str, Any]) -> dict[str, Any]:
    """The answer of OpenAI's API for one day."""
    midnight = row["started_at"].replace(tzinfo=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = int(midnight.timestamp())
    return {"start_time": start, "end_time": start + 86400, "results": [result]}


def _usage(row: Row, times: int) -> dict[str, Any]:
    counts = {"input_tokens": row["input_tokens"] * times, "output_tokens": row["output_tokens"] * times}
    return _bucket(row, counts | {"num_model_requests": times, "model": row["response_model"]})


def _cost(row: Row, times: float) -> dict[str, Any]:
    value = str(row["cost_nanousd"] * times / 1e9)
    return _bucket(row, {"amount": {"value": value, "currency": "usd"}, "line_item": f"{row['response_model']}, input"})
