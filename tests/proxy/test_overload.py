"""With as many calls under way as [overload] allows, the next ones wait a moment and are then refused."""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx
import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_up, wait_for
from tests.proxy.gathering import LONG, Gathering
from tests.proxy.socket_provider import SocketProvider, socket_provider
from tests.proxy.test_websockets import ASK, ask, open_socket

CHAT_PATH = "/groq/openai/v1/chat/completions"
SLOTS = "[overload]\nmax_calls = {most}\nmax_waiting = {waiting}\nwait_s = {wait_s}\n"
# The limit is of one request a day for the user `once`.
LIMIT = '[[limits]]\nname = "once"\nquota = 1\nwindow = "1d"\nmatch = {{ user = "{user}" }}\n'
USUAL: Final = {"most": 1, "waiting": 1, "wait_s": 1}
CACHED = {"helicone-cache-enabled": "true"}


@pytest.fixture(scope="module")
def sockets() -> Iterator[SocketProvider]:
    with socket_provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def full(
    shared_provider: FakeProviders, sockets: SocketProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A proxy with one slot and one place to wait."""
    data = tmp_path_factory.mktemp("full")
    (data / "heliograph.toml").write_text(SLOTS.format(**USUAL) + LIMIT.format(user="once"))
    http_names = ("groq", "anthropic", "gemini")
    options = [f"--upstream={name}={shared_provider.url}" for name in http_names]
    options.append(f"--upstream=openai={sockets.url}")
    with run_up(data, *options) as proxy:
        yield proxy
        assert counts(proxy)["under_way"] == counts(proxy)["waiting"] == 0
        assert post(proxy).status_code == 200, "every slot is free again"
        assert proxy.stop() == 0
        assert not [line for line in proxy.said if "Traceback" in line], "\n".join(proxy.said)


def post(proxy: Proxy, path: str = CHAT_PATH, body: object = CHAT, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with plain(proxy) as client:
        return client.post(path, json=body, headers=named)


def counts(proxy: Proxy) -> dict[str, int]:
    return dict(post_free_get(proxy, "/healthz").json()["calls"])


def post_free_get(proxy: Proxy, path: str) -> httpx.Response:
    with plain(proxy) as client:
        return client.get(path)


def settings(proxy: Proxy, **slots: float) -> None:
    """Other bounds, from when this returns."""
    before = len(told(proxy))
    file = Path(proxy.data / "heliograph.toml")
    file.write_text(SLOTS.format(**slots) + LIMIT.format(user="once"))
    wait_for(lambda: len(told(proxy)) > before)


def told(proxy: Proxy) -> list[str]:
    return [line for line in proxy.said if "settings read again: overload" in line]


@pytest.fixture
def patient(full: Proxy) -> Iterator[Proxy]:
    """The same where a call waits for as long as a test needs."""
    settings(full, **USUAL | {"wait_s": 600})
    yield full
    settings(full, **USUAL)


@contextlib.contextmanager
def busy(proxy: Proxy, provider: FakeProviders) -> Iterator[Future[httpx.Response]]:
    """A call has the slot until the block ends, or the provider is told to answer."""
    before = provider.hits
    with ThreadPoolExecutor() as threads:
        call = threads.submit(post, proxy, x_fake=LONG)
        wait_for(lambda: provider.hits > before)
        try:
            yield call
        finally:
            provider.answer_now()
    assert call.result().status_code == 200


@pytest.mark.parametrize(
    ("path", "error"),
    [
        (CHAT_PATH, lambda body: body["error"]["code"]),
        ("/anthropic/v1/messages", lambda body: body["error"]["type"]),
        ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", lambda body: body["error"]["code"]),
    ],
)
def test_a_call_without_a_slot_is_refused_in_the_words_of_its_api(
    full: Proxy, provider: FakeProviders, path: str, error: object
) -> None:
    refused_before = counts(full)["overloaded"]
    with busy(full, provider):
        assert callable(error)
        refused = post(full, path, CHAT | {"max_tokens": 9})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
        assert refused.headers["helicone-status"] == "heliograph_overloaded"
        assert error(refused.json())
        assert "[overload] max_calls" in refused.text
        assert counts(full)["overloaded"] == refused_before + 1
    row = full.row(refused.headers["helicone-id"])
    assert (row["status"], row["error_type"], row["attempts"]) == (503, "heliograph_overloaded", 0)
    assert (row["cost_nanousd"], row["input_tokens"]) == (0, None)


def test_a_call_that_waits_gets_the_slot_of_one_that_ends(patient: Proxy, provider: FakeProviders) -> None:
    with busy(patient, provider) as first, ThreadPoolExecutor() as threads:
        call = threads.submit(post, patient)
        wait_for(lambda: counts(patient)["waiting"] == 1)
        time.sleep(0.06)  # it waits for so long at least
        provider.answer_now()
        second = call.result()
        assert second.status_code == 200
        assert first.result().status_code == 200
    assert patient.row(second.headers["helicone-id"])["overhead_ms"] > 50


def test_hits_and_own_endpoints_need_no_slot(full: Proxy, provider: FakeProviders) -> None:
    assert post(full, **CACHED).headers["helicone-cache"] == "MISS"
    with busy(full, provider):
        assert post(full, **CACHED).headers["helicone-cache"] == "HIT"
        metrics = post_free_get(full, "/metrics").text
    assert "heliograph_overloaded_total" in metrics
    assert "heliograph_waiting 0.0" in metrics


def test_a_refused_call_is_not_counted_by_a_limit(full: Proxy, provider: FakeProviders) -> None:
    once = {"helicone-user-id": "once"}
    with busy(full, provider):
        assert post(full, **once).status_code == 503
    assert [post(full, **once).status_code for _ in range(2)] == [200, 429]


def test_a_caller_that_leaves_while_it_waits_frees_its_place(patient: Proxy, provider: FakeProviders) -> None:
    with busy(patient, provider):
        gone = http.client.HTTPConnection(patient.url.removeprefix("http://"))
        sent = {"content-type": "application/json", "helicone-request-id": "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c70"}
        gone.request("POST", CHAT_PATH, json.dumps(CHAT), sent)
        wait_for(lambda: counts(patient)["waiting"] == 1)
        gone.close()
        wait_for(lambda: counts(patient)["waiting"] == 0)
    row = patient.row(sent["helicone-request-id"])
    assert (row["status"], row["error_type"], row["attempts"]) == (-3, "client_disconnected", 0)


def test_a_caller_that_leaves_while_its_call_is_under_way_frees_the_slot(full: Proxy) -> None:
    gone = http.client.HTTPConnection(full.url.removeprefix("http://"))
    gone.request("POST", CHAT_PATH, json.dumps(CHAT), {"x-fake": LONG})
    wait_for(lambda: counts(full)["under_way"] == 1)
    gone.close()
    wait_for(lambda: counts(full)["under_way"] == 0)
    assert post(full).status_code == 200


def test_a_call_that_fails_frees_the_slot(full: Proxy) -> None:
    retried = {"helicone-retry-enabled": "true", "helicone-retry-num": "1"}
    for wish in ("no-answer=1", "status=500", "cut=2;reset=1"):
        with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
            assert post(full, x_fake=wish, **(retried if wish == "status=500" else {})).status_code >= 500
        assert post(full).status_code == 200


def test_a_response_on_a_socket_waits_and_is_refused_as_well(full: Proxy, provider: FakeProviders) -> None:
    with open_socket(full) as socket:
        assert ask(socket, ASK)[-1]["type"] == "response.completed"
        with busy(full, provider):
            (event,) = ask(socket, ASK)
        assert (event["type"], event["status"], event["error"]["code"]) == ("error", 503, "heliograph_overloaded")
        assert ask(socket, ASK)[-1]["type"] == "response.completed"


def test_followers_of_an_identical_call_need_no_slot(full: Proxy, provider: FakeProviders) -> None:
    slow = {**CACHED, "x-fake": LONG, "helicone-cache-seed": "followers"}
    gathering = Gathering(full)
    with ThreadPoolExecutor() as threads:
        calls = [threads.submit(post, full, **slow) for _ in range(5)]
        gathering.answer(provider, 5)
        answers = [call.result() for call in calls]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert len(provider.requests) == 1


def test_a_changed_bound_holds_at_once(patient: Proxy, provider: FakeProviders) -> None:
    with busy(patient, provider) as first, ThreadPoolExecutor() as threads:
        second = threads.submit(post, patient)
        wait_for(lambda: counts(patient)["waiting"] == 1)
        settings(patient, most=2, waiting=1, wait_s=600)
        assert second.result().status_code == 200
        assert not first.done(), "it did not wait for the slot of the first"
