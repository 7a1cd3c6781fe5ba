"""The demo's traffic: planned the same every time, and varied enough to fill every report."""

import http.client
import json
from collections import Counter
from itertools import pairwise

from addon.demo.behaviour import parse_behaviour
from addon.demo.load import run_load
from addon.demo.plan import IMPORTS, plan_calls, plan_runs
from addon.demo.providers import FakeProviders


def test_the_plan_is_the_same_every_time_and_has_the_asked_length() -> None:
    assert plan_calls(300) == plan_calls(300)
    assert [len(plan_calls(calls)) for calls in (0, 1, 7, 300)] == [0, 1, 7, 300]


def test_the_plan_has_something_for_every_report() -> None:
    plan = plan_calls(300)
    models = Counter(call.body["model"] for call in plan)
    headers = {name for call in plan for name in call.headers}
    statuses = {parse_behaviour(call.headers["x-fake"]).status for call in plan}
    assert {"gpt-4o", "gpt-4o-mini", "gpt-4.1", "o4-mini", "text-embedding-3-small", "house-model-7b"} < models.keys()
    assert {"claude-sonnet-4-5", "claude-haiku-4-5"} < models.keys()
    assert {"Helicone-User-Id", "Helicone-Session-Id", "Helicone-Session-Path", "Helicone-Session-Name"} < headers
    assert {"Helicone-Property-Feature", "Helicone-Property-Environment"} < headers
    assert statuses == {None, 429, 500, 503, 529}
    assert any(call.leaves_early for call in plan)
    assert {call.body.get("stream") for call in plan} == {True, False, None}
    assert any("include_usage" in json.dumps(call.body) for call in plan)
    assert any("cache_control" in json.dumps(call.body) for call in plan)
    assert {"Helicone-Cache-Enabled", "Helicone-Retry-Enabled", "Helicone-Fallbacks"} < headers


def test_an_agent_sends_the_tool_call_that_it_got_back_with_its_result(provider: FakeProviders) -> None:
    run = next(run for run in plan_runs(300) if run[0].headers.get("Helicone-Session-Name") == "Research agent")
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=10)
    first, last = run[0], run[-1]
    connection.request("POST", first.path, json.dumps(first.body | {"stream": False}), first.headers)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    _, said, result = last.body["messages"]
    assert answer["stop_reason"] == "tool_use"
    assert [block["type"] for block in answer["content"]] == ["text", "tool_use"]
    assert said["content"] == answer["content"]
    assert result["content"][0]["tool_use_id"] == answer["content"][1]["id"]


def test_a_conversation_repeats_its_earlier_turns() -> None:
    run = next(run for run in plan_runs(300) if run[0].headers.get("Helicone-Session-Name") == "Support chat")
    for earlier, later in pairwise(run):
        said = parse_behaviour(earlier.headers["x-fake"]).say
        assert later.body["messages"][:-1] == [*earlier.body["messages"], {"role": "assistant", "content": said}]


def test_the_nightly_import_makes_more_calls_than_its_limit_allows() -> None:
    (run,) = (run for run in plan_runs(300) if "Helicone-RateLimit-Policy" in run[0].headers)
    assert len(run) == IMPORTS > int(run[0].headers["Helicone-RateLimit-Policy"].partition(";")[0])


def test_the_load_is_sent_and_counted(provider: FakeProviders) -> None:
    seen: list[int] = []
    # Without a proxy in between, the prefixes are just part of the path.
    result = run_load(provider.url, calls=60, progress=seen.append)
    assert seen == list(range(1, 61))
    assert provider.hits == result.calls == 60
    assert result.statuses[200] > 50
    assert result.statuses.total() == 60
