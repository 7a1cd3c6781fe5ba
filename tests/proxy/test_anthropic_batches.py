"""Anthropic's SDK through the proxy: the results of a batch, and a call that a Claude plan pays."""

import json
import ssl
from collections.abc import Iterator
from typing import Any, Final

import pytest
from anthropic import Anthropic, DefaultHttpxClient

from tests.proxy.conftest import Proxy, run_up
from tests.serving import QuietHandler, serving
from tests.waiting import wait_for

pytestmark = pytest.mark.long

USAGE: Final = {"input_tokens": 1000, "output_tokens": 100, "service_tier": "standard"}
MESSAGE: Final = {
    **{"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "usage": USAGE},
    **{"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn", "stop_sequence": None},
}
COUNTS: Final = {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0}


class Api(QuietHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.endswith("/results"):
            lines = [{"custom_id": name, "result": {"type": "succeeded", "message": MESSAGE}} for name in "ab"]
            self._answer("application/x-jsonl", "".join(json.dumps(line) + "\n" for line in lines))
            return
        results_url = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
        batch = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "results_url": results_url}
        self._answer("application/json", json.dumps(batch | {"request_counts": COUNTS}))

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer("application/json", json.dumps(MESSAGE))

    def _answer(self, kind: str, text: str) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with serving(Api) as url, run_up(tmp_path_factory.mktemp("data"), f"--upstream=anthropic={url}") as running:
        yield running


def client(proxy: Proxy, **credential: Any) -> Anthropic:
    http = DefaultHttpxClient(proxy=proxy.url, verify=ssl.create_default_context(cafile=proxy.ca))
    return Anthropic(base_url="https://api.anthropic.com", max_retries=0, http_client=http, **credential)


def test_a_download_of_results_is_one_row_at_half_the_price(proxy: Proxy) -> None:
    results = list(client(proxy, api_key="sk-ant-api").messages.batches.results("msgbatch_1"))
    assert [result.custom_id for result in results] == ["a", "b"]
    (row,) = wait_for(lambda: proxy.rows("response_id = 'msgbatch_1'"))
    # 2 x (1000 x 5 + 100 x 25) / 2 USD per million: https://platform.claude.com/docs/en/about-claude/pricing
    assert (row["operation_name"], row["input_tokens"], row["cost_nanousd"]) == ("batch_results", 2000, 7_500_000)


def test_a_claude_plan_pays_for_calls_with_its_token(proxy: Proxy) -> None:
    told = client(proxy, api_key=None, auth_token="sk-ant-oat01-secret").messages.with_raw_response.create(
        model="claude-opus-4-8", max_tokens=10, messages=[{"role": "user", "content": "Hi"}]
    )
    row = proxy.row(told.headers["helicone-id"])
    assert (row["cost_nanousd"], row["list_cost_nanousd"]) == (None, 7_500_000)
