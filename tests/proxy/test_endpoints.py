"""The endpoints through the proxy: its own host, Helicone's host names, mitmproxy's reverse mode; and the process that answers them."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import ssl
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from addon.demo.providers import FakeProviders
from addon.intake.spans import attributes_of
from tests.analysis.test_otlp_export import Collector
from tests.analysis.test_webhooks import Receiver
from tests.processes import cpu_s, has_ended
from tests.proxy.clients import CHAT, GPT, HELLO, openai_client, plain
from tests.proxy.conftest import Proxy, run_mitmdump, run_up, to, wait_for

EVERYTHING = {"filter": "all"}
# Longer than a question may take, on any machine.
SLOW = "select count(*) from range(3000000) a, range(3000000) b where a.range * b.range % 7 = 3"


def through(proxy: Proxy) -> httpx.Client:
    context = ssl.create_default_context(cafile=proxy.ca)
    return httpx.Client(proxy=proxy.url, verify=context, trust_env=False, timeout=30)


def call(proxy: Proxy) -> str:
    """The id of a call that is settled."""
    answer = openai_client(proxy).chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
    request_id = answer.headers["helicone-id"]
    proxy.row(request_id)
    return request_id


def api_processes(proxy: Proxy) -> list[int]:
    """The processes behind the endpoints, by the proxy that started them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int(re.search(r"PPid:\s*(\d+)", (folder / "status").read_text())[1])  # type: ignore[index]
        except (OSError, TypeError):
            continue
        if b"analysis.serving" in command and parent == proxy.process.pid:
            found.append(int(folder.name))
    return found


def test_a_question_is_answered_on_the_proxys_own_host(proxy: Proxy) -> None:
    request_id = call(proxy)
    answer = plain(proxy).get(f"/v1/request/{request_id}")
    assert answer.status_code == 200
    assert answer.json()["data"]["request_id"] == request_id
    assert answer.json()["error"] is None
    assert plain(proxy).get("/v1/request/0199a0c2-0000-7000-8000-000000000000").status_code == 404


@pytest.mark.parametrize("host", ["api.helicone.ai", "api.worker.helicone.ai", "eu.api.helicone.ai", "api.hconeai.com"])
def test_helicones_own_host_names_are_answered_here(proxy: Proxy, host: str) -> None:
    request_id = call(proxy)
    with through(proxy) as client:
        answer = client.post(f"https://{host}/v1/request/query-ids", json={"requestIds": [request_id]})
    assert [found["request_id"] for found in answer.json()["data"]] == [request_id]


def test_reverse_mode_has_them_too(shared_provider: FakeProviders, tmp_path: Path) -> None:
    mode = f"reverse:{shared_provider.url}"
    with run_mitmdump(tmp_path, "--mode", mode) as proxy:
        body = {"model": GPT, "messages": HELLO}
        wait_for(lambda: plain(proxy).get("/healthz").status_code == 200)
        answer = plain(proxy).post("/v1/chat/completions", json=body, headers={"authorization": "Bearer k"})
        request_id = answer.headers["helicone-id"]
        proxy.row(request_id)
        assert plain(proxy).get(f"/v1/request/{request_id}").json()["data"]["request_id"] == request_id
        assert plain(proxy).get("/v1/models").json()["object"] == "list"  # and the rest is the target's


def test_an_unknown_endpoint_is_404_in_json(proxy: Proxy) -> None:
    answer = plain(proxy).post("/v1/request/nothing/of/the/kind", json={})
    assert answer.status_code == 404
    assert answer.json()["error"]


def test_requests_to_the_endpoints_are_not_calls(proxy: Proxy, provider: FakeProviders) -> None:
    seen = proxy.seen()
    plain(proxy).post("/v1/request/query", json=EVERYTHING)
    assert proxy.seen() == seen
    assert provider.requests == []


def test_the_document_of_the_api_is_served(proxy: Proxy) -> None:
    document = plain(proxy).get("/openapi.json").json()
    assert "/v1/request/query" in document["paths"]


def test_prometheus_can_watch_that_nothing_is_lost(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        for _ in range(3):
            call(proxy)
        (answer,) = wait_for(  # the counts of a file are written after its rows
            lambda: [told] if "heliograph_settled_total 3" in (told := plain(proxy).get("/metrics")).text else []
        )
        assert answer.headers["content-type"].startswith("text/plain")
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    for name in ("seen", "journalled", "settled"):
        assert float(lines[f"heliograph_{name}_total"]) == 3, name
    assert float(lines["heliograph_journal_lag_calls"]) == 0
    (calls,) = [value for name, value in lines.items() if name.startswith("heliograph_calls_total{")]
    assert float(calls) == 3
    cost = [float(value) for name, value in lines.items() if name.startswith("heliograph_cost_usd_total{")]
    assert 0 < sum(cost) < 1
    tokens = [name for name in lines if name.startswith("heliograph_tokens_total{")]
    assert len(tokens) == 3


def test_the_process_behind_the_endpoints_starts_when_asked_and_again_when_it_died(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        call(proxy)
        assert api_processes(proxy) == []
        assert plain(proxy).post("/v1/request/query", json=EVERYTHING).status_code == 200
        (first,) = api_processes(proxy)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: has_ended(first))
        assert plain(proxy).post("/v1/request/query", json=EVERYTHING).status_code == 200
        (second,) = api_processes(proxy)
        assert second != first
        assert proxy.stop() == 0
        wait_for(lambda: has_ended(second))


def test_a_process_that_ends_while_it_answers_is_a_503_in_the_shape_of_our_endpoints(
    shared_provider: FakeProviders, tmp_path: Path
) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy, ThreadPoolExecutor(1) as pool:
        plain(proxy).post("/v1/request/query", json=EVERYTHING)
        (process,) = api_processes(proxy)
        before = cpu_s(process)
        asking = pool.submit(plain(proxy).post, "/v1/helicone-sql/execute", json={"sql": SLOW}, timeout=60)
        wait_for(lambda: cpu_s(process) > before + 0.5)  # half a second of work: it is at the question
        os.kill(process, signal.SIGKILL)
        answer = asking.result()
    assert answer.status_code == 503
    assert answer.json()["data"] is None
    assert "ended while it answered" in answer.json()["error"]


def test_that_process_is_reached_through_the_proxy_only(proxy: Proxy) -> None:
    plain(proxy).post("/v1/request/query", json=EVERYTHING)
    (process,) = api_processes(proxy)
    inodes = {
        found[1]
        for entry in Path(f"/proc/{process}/fd").iterdir()
        if (found := re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink())))
    }
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (port,) = {int(row[1].split(":")[1], 16) for row in rows if row[9] in inodes and row[3] == "0A"}
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/request/query", json=EVERYTHING, trust_env=False, timeout=60)
    assert answer.status_code == 401


def test_a_slow_question_delays_no_call(proxy: Proxy, provider: FakeProviders) -> None:
    plain(proxy).post("/v1/request/query", json=EVERYTHING)  # the process is there
    (process,) = api_processes(proxy)
    before = cpu_s(process)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(plain(proxy).post, "/v1/helicone-sql/execute", json={"sql": SLOW}, timeout=90)
        wait_for(lambda: cpu_s(process) > before + 0.2)  # it is at the question
        for _ in range(10):
            answer = plain(proxy).post("/openai/v1/chat/completions", json=CHAT, headers={"authorization": "Bearer k"})
            assert answer.status_code == 200
        assert not asking.done(), "they were answered before the question"
        os.kill(process, signal.SIGKILL)  # which would take its time
        assert asking.result().status_code == 503


def has_looked(queue: Path) -> bool:
    """Whether the sender of webhooks, or of spans, knows since when calls are news."""
    if not queue.exists():
        return False
    with contextlib.closing(sqlite3.connect(queue)) as connection, contextlib.suppress(sqlite3.OperationalError):
        return bool(connection.execute("select * from looked").fetchall())
    return False


def test_finished_calls_are_told_to_webhooks_and_sent_as_spans(shared_provider: FakeProviders, tmp_path: Path) -> None:
    receiver, collector = Receiver(), Collector()
    (tmp_path / "heliograph.toml").write_text(
        f'[[webhooks]]\nurl = "{receiver.url}"\nsecret = "s"\nproperties = {{ feature = "chat" }}\n'
        f'[otlp]\nendpoint = "{collector.url}"\n'
    )
    try:
        with run_up(tmp_path, *to(shared_provider)) as proxy:
            wait_for(lambda: has_looked(tmp_path / "webhooks.sqlite") and has_looked(tmp_path / "otlp.sqlite"))
            call(proxy)
            client = openai_client(proxy, headers={"Helicone-Property-Feature": "chat"})
            answer = client.chat.completions.with_raw_response.create(model=GPT, messages=HELLO)
            wait_for(lambda: receiver.taken)
            assert receiver.ids() == [answer.headers["helicone-id"]]
            told = json.loads(receiver.taken[0][1])
            assert json.loads(told["request_body"])["model"] == GPT
            assert told["metadata"]["cost"] > 0
            wait_for(lambda: len(collector.spans) == 2)
            attributes = [attributes_of(span.attributes) for span in collector.spans]
            assert answer.headers["helicone-id"] in [given["heliograph.request_id"] for given in attributes]
            assert all(given["heliograph.cost_usd"] > 0 for given in attributes)
    finally:
        receiver.stop()
        collector.stop()


def test_a_webhook_without_its_secret_is_named_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text('[[webhooks]]\nurl = "https://x.example"\nsecret = "$NO_SUCH_SECRET"\n')
    with pytest.raises(AssertionError, match="NO_SUCH_SECRET"), run_up(tmp_path):
        pass


def test_health_is_degraded_while_the_data_folder_is_gone(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path / "data", *to(shared_provider)) as proxy:
        wait_for((tmp_path / "data" / "settle.lock").exists)  # the settler runs: it makes the folder when it starts
        assert plain(proxy).get("/healthz").json()["status"] == "ok"
        (tmp_path / "data").rename(tmp_path / "elsewhere")
        degraded = wait_for(lambda: (state := plain(proxy).get("/healthz").json())["status"] != "ok" and state)
        assert degraded["status"] == "degraded"
        assert degraded["problem"].startswith("the data folder does not exist")
        assert str(tmp_path) not in degraded["problem"]  # other machines may ask
        (tmp_path / "elsewhere").rename(tmp_path / "data")
        wait_for(lambda: plain(proxy).get("/healthz").json()["status"] == "ok")


def test_the_root_tells_a_program_version_state_and_where_to_go(proxy: Proxy) -> None:
    about = plain(proxy).get("/").json()
    assert (about["name"], about["status"]) == ("heliograph", "ok")
    assert about["version"] == version("heliograph")
    for path in about["see"]:
        if path.startswith("/") and not path.startswith("/openai"):
            assert plain(proxy).get(path).status_code == 200
    assert plain(proxy).post("/").status_code == 405
