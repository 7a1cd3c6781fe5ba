"""Official SDKs pointed at the prefix of each provider: the row names the provider, and has its tokens and its cost."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

import pytest
from anthropic import Anthropic
from groq import Groq
from openai import DefaultHttpxClient, OpenAI

from addon.demo.providers import FakeProviders
from tests.proxy.conftest import Proxy, Row, run_up
from tests.waiting import wait_for

pytestmark = pytest.mark.long  # 44 calls of real SDKs: 10 s

# The proxy's own address is plain HTTP. One client for all: to load roots takes longer than a call.
ONE: Final = DefaultHttpxClient(trust_env=False, verify=False)
HELLO: Any = [{"role": "user", "content": "Where is my parcel?"}]


class Api(NamedTuple):
    name: str
    base: str  # what its documentation gives as base URL, without the host
    model: str
    usd: tuple[str, str] | None = None  # per million tokens in and out, as genai-prices or prices.toml has it


OPENAI_SHAPED = (
    Api("ai21", "/studio/v1", "jamba-large"),
    Api("arcee", "/api/v1", "trinity-mini"),
    Api("baseten", "/v1", "no-such-model"),
    Api("cerebras", "/v1", "gpt-oss-120b", ("0.35", "0.75")),
    Api("cloudflare", "/client/v4/accounts/a1/ai/v1", "@cf/openai/gpt-oss-120b", ("0.35", "0.75")),
    Api("dashscope", "/compatible-mode/v1", "qwen-max", ("1.6", "6.4")),
    Api("deepinfra", "/v1/openai", "meta-llama/Llama-3.3-70B-Instruct"),
    Api("deepseek", "", "deepseek-v3.1-terminus", ("0.27", "0.95")),
    Api("fireworks", "/inference/v1", "no-such-model"),
    Api("github_models", "/inference", "openai/gpt-4o-mini"),
    Api("groq", "/openai/v1", "llama-3.3-70b-versatile", ("0.59", "0.79")),
    Api("huggingface", "/v1", "openai/gpt-oss-120b:together"),
    Api("hyperbolic", "/v1", "Qwen/QwQ-32B"),
    Api("inception", "/v1", "mercury"),
    Api("lambda", "/v1", "llama3.3-70b"),
    Api("llama", "/compat/v1", "Llama-4-Maverick-17B-128E-Instruct-FP8"),
    Api("meta", "/v1", "muse-spark-1.3", ("1.25", "4.25")),
    Api("minimax", "/v1", "MiniMax-M2", ("0.3", "1.2")),
    Api("moonshot", "/v1", "kimi-k2-0905-preview", ("0.6", "2.5")),
    Api("nebius", "/v1", "Qwen/Qwen3-32B", ("0.1", "0.3")),
    Api("novita", "/openai/v1", "moonshotai/kimi-k2-instruct", ("0.57", "2.3")),
    Api("nvidia", "/v1", "meta/llama-3.3-70b-instruct"),
    Api("openrouter", "/api/v1", "openai/gpt-4o-mini:nitro", ("0.15", "0.6")),
    Api("perplexity", "", "r1-1776", None),
    Api("sambanova", "/v1", "Meta-Llama-3.3-70B-Instruct", ("0.6", "1.2")),
    Api("together", "/v1", "openai/gpt-oss-120b", ("0.15", "0.6")),
    Api("vercel", "/v1", "openai/gpt-4o-mini"),
    Api("xai", "/v1", "grok-3-mini", ("0.3", "0.5")),
    Api("zai", "/api/paas/v4", "glm-4.6", ("0.6", "2.2")),
)
STREAMED = OPENAI_SHAPED[::4]
GROQ = next(api for api in OPENAI_SHAPED if api.name == "groq")
ANTHROPIC_SHAPED = (
    Api("deepseek", "/anthropic", "deepseek-v3.1-terminus", ("0.27", "0.95")),
    Api("minimax", "/anthropic", "MiniMax-M2", ("0.3", "1.2")),
    Api("moonshot", "/anthropic", "kimi-k2-0905-preview", ("0.6", "2.5")),
    Api("openrouter", "/api", "openai/gpt-4o-mini", ("0.15", "0.6")),
    Api("xai", "", "grok-3-mini", ("0.3", "0.5")),
    Api("zai", "/api/anthropic", "glm-4.6", ("0.6", "2.2")),
)


@pytest.fixture(scope="module")
def proxy(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    names = {api.name for api in (*OPENAI_SHAPED, *ANTHROPIC_SHAPED)}
    upstreams = [f"--upstream={name}={shared_provider.url}" for name in sorted(names)]
    with run_up(tmp_path_factory.mktemp("data"), *upstreams) as running:
        yield running


@pytest.fixture(scope="module")
def rows(proxy: Proxy) -> dict[str, Row]:
    """The rows of all calls, by their user: made one after the other, settled together."""
    for api in OPENAI_SHAPED:
        call_openai(proxy, api)
    for api in STREAMED:
        call_openai(proxy, api, stream=True)
    for api in ANTHROPIC_SHAPED:
        call_anthropic(proxy, api)
    call_groq(proxy)
    calls = len(OPENAI_SHAPED) + len(STREAMED) + len(ANTHROPIC_SHAPED) + 1
    assert wait_for(lambda: len(proxy.rows()) == calls)
    return {row["user_id"]: row for row in proxy.rows()}


def call_openai(proxy: Proxy, api: Api, *, stream: bool = False) -> None:
    client = OpenAI(base_url=f"{proxy.url}/{api.name}{api.base}", api_key="sk-test", max_retries=0, http_client=ONE)
    if not stream:
        client.chat.completions.create(model=api.model, messages=HELLO, user=f"{api.name} json")
        return
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    for _ in client.chat.completions.create(model=api.model, messages=HELLO, user=f"{api.name} stream", **options):
        pass


def call_anthropic(proxy: Proxy, api: Api) -> None:
    client = Anthropic(base_url=f"{proxy.url}/{api.name}{api.base}", api_key="sk-test", max_retries=0, http_client=ONE)
    user: Any = {"user_id": f"{api.name} messages"}
    client.messages.create(model=api.model, max_tokens=64, messages=HELLO, metadata=user)


def call_groq(proxy: Proxy) -> None:
    client = Groq(base_url=f"{proxy.url}/groq", api_key="gsk-test", max_retries=0)
    client.chat.completions.create(model=GROQ.model, messages=HELLO, user="groq sdk")


def check(row: Row, api: Api) -> None:
    assert (row["provider_name"], row["request_model"], row["status"]) == (api.name, api.model, 200)
    assert row["input_tokens"] > 0
    assert row["output_tokens"] > 0
    if api.usd:
        prices = [Decimal(price) * 1000 for price in api.usd]
        assert row["cost_nanousd"] == row["input_tokens"] * prices[0] + row["output_tokens"] * prices[1]
    else:
        assert row["cost_nanousd"] is not None or row["cost_missing"]


@pytest.mark.parametrize("api", OPENAI_SHAPED, ids=lambda api: api.name)
def test_openais_sdk_at_a_providers_prefix(rows: dict[str, Row], api: Api) -> None:
    row = rows[f"{api.name} json"]
    check(row, api)
    assert not row["is_stream"]


@pytest.mark.parametrize("api", STREAMED, ids=lambda api: api.name)
def test_openais_sdk_streams_from_a_providers_prefix(rows: dict[str, Row], api: Api) -> None:
    row = rows[f"{api.name} stream"]
    check(row, api)
    assert row["is_stream"]


@pytest.mark.parametrize("api", ANTHROPIC_SHAPED, ids=lambda api: api.name)
def test_anthropics_sdk_at_a_providers_prefix(rows: dict[str, Row], api: Api) -> None:
    check(rows[f"{api.name} messages"], api)


def test_groqs_sdk(rows: dict[str, Row]) -> None:
    check(rows["groq sdk"], GROQ)
    assert rows["groq sdk"]["client"].startswith("Groq/Python")
