"""Providers' own SDKs through a real proxy: what a case says that an answer becomes, the call of the SDK becomes.

The SDKs are installed in a folder of their own. openai, anthropic, groq and boto3 are among our own packages; their tests
are in test_ways_in, test_provider_prefixes and test_bedrock.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from addon.metering.price import PriceList
from addon.settling.rows import make_rows
from tests.providers.cases.reading import FOLDER, Case, read_case
from tests.proxy.conftest import Proxy, run_up
from tests.proxy.test_published_packages import PACKAGES, python_with, run
from tests.serving import QuietHandler, serving
from tests.waiting import wait_for

pytestmark = pytest.mark.long  # installs ten SDKs


class Sdk(NamedTuple):
    function: str  # in packages/sdks.py
    case: str  # what its provider answers

    @property
    def provider(self) -> str:
        return self.function.partition("_")[0]

    def read(self) -> Case:
        return read_case(FOLDER / f"{self.case}.toml")


SDKS = (
    Sdk("cerebras", "cerebras/stream"),
    Sdk("cohere", "cohere/chat_v2"),
    Sdk("fireworks", "fireworks/stream_october"),
    Sdk("gemini", "gemini/chat"),
    Sdk("huggingface", "huggingface/chat"),
    Sdk("mistral", "mistral/chat_cached"),
    Sdk("ollama", "ollama/chat"),
    Sdk("together", "together/chat_cached"),
    Sdk("voyage", "voyage/embeddings"),
)
# Of providers above, another operation.
MORE = (Sdk("cohere_rerank", "cohere/rerank"), Sdk("gemini_stream", "gemini/stream_sse"))


def last_part(path: str) -> str:
    """`chat`, `completions`, `gemini-2.5-flash:generateContent`: whatever version stands before it."""
    return path.partition("?")[0].rpartition("/")[2]


@contextmanager
def answering(cases: dict[str, Case]) -> Iterator[str]:
    """A provider that answers each operation with the answer of its case. Yields its URL."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            case = cases[last_part(self.path)]
            answer = case.told["answer"]
            self.send_response(answer.get("status", 200))
            self.send_header("content-type", answer.get("content_type", "application/json"))
            for name, value in answer.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(case.response)))
            self.end_headers()
            self.wfile.write(case.response)

    with serving(Handler) as url:
        yield url


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the SDKs of packages/sdks.txt."""
    return python_with(tmp_path_factory.mktemp("sdks"), "-r", str(PACKAGES / "sdks.txt"))


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with ExitStack() as stack:
        upstreams = []
        for provider in sorted({sdk.provider for sdk in SDKS}):
            cases = [sdk.read() for sdk in (*SDKS, *MORE) if sdk.provider == provider]
            url = stack.enter_context(answering({last_part(case.told["request"]["path"]): case for case in cases}))
            upstreams.append(f"--upstream={provider}={url}")
        yield stack.enter_context(run_up(tmp_path_factory.mktemp("data"), *upstreams))


@pytest.mark.parametrize("sdk", (*SDKS, *MORE), ids=lambda sdk: sdk.function)
def test_a_call_of_an_sdk_is_the_row_of_its_case(sdk: Sdk, proxy: Proxy, python: Path) -> None:
    case = sdk.read()
    call = case.call()
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    expected, _ = make_rows(replace(call, start=replace(call.start, started_at_us=now)), PriceList())
    before = len(proxy.rows("provider_name = $name", name=sdk.provider))
    run(python, PACKAGES / "sdks.py", sdk.function, proxy.url, expected.request_model)
    rows = wait_for(lambda: proxy.rows("provider_name = $name", name=sdk.provider)[before:])
    (row,) = rows
    for column in ("operation_name", "response_model", "input_tokens", "output_tokens", "is_stream", "status"):
        assert row[column] == getattr(expected, column), column
    assert row["cost_nanousd"] == expected.cost_nanousd
    assert row["request_model"] == expected.request_model
    assert row["client"]
