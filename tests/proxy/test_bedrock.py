"""boto3 through the proxy, against a small Bedrock that signs nothing and frames its events by itself."""

import base64
import json
from collections.abc import Iterator
from typing import Any, ClassVar, Final
from urllib.parse import unquote

import pytest
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests.aws_event_stream import frame
from tests.proxy.conftest import Proxy, Row, run_up
from tests.serving import QuietHandler, serving
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NOVA: Final = "us.amazon.nova-lite-v1:0"
PROFILE: Final = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-haiku-20240307-v1:0"
MISTRAL: Final = "mistral.mistral-7b-instruct-v0:2"
USAGE: Final = {"inputTokens": 12, "outputTokens": 5, "totalTokens": 17}
ASKED: Final[Any] = [{"role": "user", "content": [{"text": "Say hello."}]}]


def chunk(event: object) -> bytes:
    return frame("event", "chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()})


STREAM: Final = (
    frame("event", "messageStart", {"role": "assistant"}),
    frame("event", "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello."}}),
    frame("event", "messageStop", {"stopReason": "end_turn"}),
)
METRICS: Final = {"inputTokenCount": 10, "outputTokenCount": 4, "invocationLatency": 1, "firstByteLatency": 1}


class Bedrock(QuietHandler):
    protocol_version = "HTTP/1.1"
    signatures: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.signatures.append(self.headers["authorization"])
        model, _, operation = unquote(self.path).removeprefix("/model/").rpartition("/")
        if model == "no.such-model":
            self._answer(400, {"message": "The provided model identifier is invalid."}, "ValidationException:http://x/")
        elif operation == "converse":
            message = {"role": "assistant", "content": [{"text": "Hello."}]}
            output = {"output": {"message": message}, "stopReason": "end_turn", "usage": USAGE}
            self._answer(200, output | {"metrics": {"latencyMs": 1}})
        elif operation == "converse-stream":
            ends = frame("event", "metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}})
            failed = frame("exception", "throttlingException", {"message": "slow down"})
            self._stream(*STREAM[:2], *((failed,) if model == PROFILE else (STREAM[2], ends)))
        elif operation == "invoke":
            self._answer(200, {"outputs": [{"text": " Hello.", "stop_reason": "stop"}]})
        else:
            ended = {"outputs": [{"text": ".", "stop_reason": "stop"}], "amazon-bedrock-invocationMetrics": METRICS}
            self._stream(chunk({"outputs": [{"text": " Hello", "stop_reason": None}]}), chunk(ended))

    def _answer(self, status: int, body: object, error: str | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("x-amzn-bedrock-input-token-count", "10")
        self.send_header("x-amzn-bedrock-output-token-count", "4")
        if error:
            self.send_header("x-amzn-errortype", error)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, *frames: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/vnd.amazon.eventstream")
        self.send_header("content-length", str(sum(map(len, frames))))
        self.end_headers()
        for data in frames:
            self.wfile.write(data)
            self.wfile.flush()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Any]]:
    with serving(Bedrock) as url, run_up(tmp_path_factory.mktemp("data"), f"--upstream=bedrock={url}") as proxy:
        session = Session(aws_access_key_id="AKIATEST", aws_secret_access_key="secret", region_name="us-east-1")
        config = Config(proxies={"https": proxy.url}, retries={"max_attempts": 0})
        yield proxy, session.client("bedrock-runtime", config=config, verify=str(proxy.ca))


def row_of(proxy: Proxy, answer: Any) -> Row:
    return proxy.row(answer["ResponseMetadata"]["HTTPHeaders"]["helicone-id"])


def test_converse(aws: tuple[Proxy, Any]) -> None:
    proxy, client = aws
    answer = client.converse(modelId=PROFILE, messages=ASKED)
    assert answer["output"]["message"]["content"][0]["text"] == "Hello."
    row = row_of(proxy, answer)
    assert (row["request_model"], row["host"]) == (PROFILE, "bedrock-runtime.us-east-1.amazonaws.com")
    # 12 x 0.25 + 5 x 1.25 USD per million: https://aws.amazon.com/bedrock/pricing/
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (12, 5, 9250)


def test_converse_stream(aws: tuple[Proxy, Any]) -> None:
    proxy, client = aws
    answer = client.converse_stream(modelId=NOVA, messages=ASKED)
    assert [next(iter(event)) for event in answer["stream"]][-1] == "metadata"
    row = row_of(proxy, answer)
    # 12 x 0.06 + 5 x 0.24
    assert (row["is_stream"], row["finish_reasons"], row["cost_nanousd"]) == (True, ["end_turn"], 1920)


def test_an_exception_inside_a_stream(aws: tuple[Proxy, Any]) -> None:
    proxy, client = aws
    answer = client.converse_stream(modelId=PROFILE, messages=ASKED)
    with pytest.raises(EventStreamError, match="throttlingException"):
        list(answer["stream"])
    row = row_of(proxy, answer)
    assert (row["status"], row["error_type"], row["usage_source"]) == (200, "throttlingException", "estimated")


def test_tokens_in_the_headers_of_the_answer(aws: tuple[Proxy, Any]) -> None:
    proxy, client = aws
    row = row_of(proxy, client.invoke_model(modelId=MISTRAL, body=b'{"prompt": "Hi"}'))
    # 10 x 0.15 + 4 x 0.20
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (10, 4, 2300)


def test_a_model_streams_by_its_own_events(aws: tuple[Proxy, Any]) -> None:
    proxy, client = aws
    answer = client.invoke_model_with_response_stream(modelId=MISTRAL, body=b'{"prompt": "Hi"}')
    assert len(list(answer["body"])) == 2
    row = row_of(proxy, answer)
    assert (row["is_stream"], row["finish_reasons"], row["cost_nanousd"]) == (True, ["stop"], 2300)


def test_a_refusal_is_named(aws: tuple[Proxy, Any]) -> None:
    proxy, client = aws
    with pytest.raises(ClientError, match="ValidationException"):
        client.converse(modelId="no.such-model", messages=ASKED)
    (row,) = wait_for(lambda: proxy.rows("request_model = 'no.such-model'"))
    assert (row["error_type"], row["cost_nanousd"]) == ("ValidationException", 0)


def test_signatures_arrive_as_they_were_made_and_one_key_is_one_caller(aws: tuple[Proxy, Any]) -> None:
    proxy, client = aws
    client.converse(modelId=NOVA, messages=ASKED)
    assert all(signature.startswith("AWS4-HMAC-SHA256 Credential=AKIATEST/") for signature in Bedrock.signatures)
    assert len({row["api_key_hash"] for row in proxy.rows()}) == 1
