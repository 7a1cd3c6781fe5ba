"""The demo's traffic: planned the same every time, and varied enough to fill every report."""

import json
from collections import Counter

from addon.demo.behaviour import parse_behaviour
from addon.demo.load import plan_calls, run_load
from addon.demo.providers import FakeProviders


def test_the_plan_is_the_same_every_time_and_has_the_asked_length() -> None:
    assert list(plan_calls(300)) == list(plan_calls(300))
    assert [len(list(plan_calls(calls))) for calls in (0, 1, 7, 300)] == [0, 1, 7, 300]


def test_the_plan_has_something_for_every_report() -> None:
    plan = list(plan_calls(300))
    models = Counter(call.body["model"] for call in plan)
    headers = {name for call in plan for name in call.headers}
    statuses = {parse_behaviour(call.headers["x-fake"]).status for call in plan}
    assert {"gpt-4o", "gpt-4o-mini", "gpt-4.1", "o4-mini", "text-embedding-3-small", "house-model-7b"} < models.keys()
    assert {"claude-sonnet-4-5", "claude-haiku-4-5"} < models.keys()
    assert {"Helicone-User-Id", "Helicone-Session-Id", "Helicone-Session-Path", "Helicone-Session-Name"} < headers
    assert {"Helicone-Property-Feature", "Helicone-Property-Environment"} < headers
    assert statuses == {None, 429, 500, 529}
    assert any(call.leaves_early for call in plan)
    assert {call.body.get("stream") for call in plan} == {True, False, None}
    assert any("include_usage" in json.dumps(call.body) for call in plan)
    assert any("cache_control" in json.dumps(call.body) for call in plan)


def test_the_load_is_sent_and_counted(provider: FakeProviders) -> None:
    seen: list[int] = []
    # Without a proxy in between, the prefixes are just part of the path.
    result = run_load(provider.url, calls=60, progress=seen.append)
    assert seen == list(range(1, 61))
    assert provider.hits == result.calls == 60
    assert result.statuses[200] > 50
    assert result.statuses.total() == 60
