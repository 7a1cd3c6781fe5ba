import subprocess
import sys
from dataclasses import replace

import pytest

from addon.providers import dialect, registry


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com.", "openai"),
        ("eu.api.openai.com", "openai"),
        ("chatgpt.com", "openai"),
        ("gov.chatgpt.com", "openai"),
        ("api.anthropic.com", "anthropic"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("us-central1-aiplatform.googleapis.com", "vertex"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "bedrock"),
        ("contoso.openai.azure.com", "azure"),
        ("router.huggingface.co", "huggingface"),
        ("api.tokenfactory.us-central1.nebius.com", "nebius"),
    ],
)
def test_a_host_belongs_to_its_provider(host: str, name: str) -> None:
    found = registry.by_host(host)
    assert found and found.name == name


@pytest.mark.parametrize(
    "host",
    [
        "ab.chatgpt.com",
        "models.opencode.ai",
        "play.googleapis.com",
        "openai.com",
        "api.openai.com.evil.example",
        "a.b.api.openai.com",
        "x.com",
        "127.0.0.1",
        "",
    ],
)
def test_every_other_host_is_nobodys(host: str) -> None:
    assert registry.by_host(host) is None


# Helicone's host map.
@pytest.mark.parametrize(
    ("label", "origin"),
    [
        ("oai", "https://api.openai.com"),
        ("anthropic", "https://api.anthropic.com"),
        ("vercel", "https://ai-gateway.vercel.sh"),
        ("together", "https://api.together.xyz"),
        ("google", "https://generativelanguage.googleapis.com"),
        ("llama", "https://api.llama.com"),
        ("nvidia", "https://integrate.api.nvidia.com"),
        ("openrouter", "https://openrouter.ai"),
        ("deepinfra", "https://api.deepinfra.com"),
        ("groq", "https://api.groq.com"),
        ("perplexity", "https://api.perplexity.ai"),
        ("hyperbolic", "https://api.hyperbolic.xyz"),
        ("cerebras", "https://api.cerebras.ai"),
        ("mistral", "https://api.mistral.ai"),
        ("bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ("fireworks", "https://api.fireworks.ai"),
        ("predibase", "https://api.app.predibase.com"),
        ("qstash", "https://qstash.upstash.io"),
        ("x", "https://api.x.ai"),
        ("deepseek", "https://api.deepseek.com"),
        ("nebius", "https://api.studio.nebius.ai"),
        ("novita", "https://api.novita.ai"),
        ("firecrawl", "https://api.firecrawl.dev"),
    ],
)
def test_a_label_of_helicones_map_has_its_target(label: str, origin: str) -> None:
    found = registry.by_label(label)
    assert found and found.origin == origin
    assert label not in registry.UNSERVED_LABELS


def test_a_label_that_is_no_providers_is_none() -> None:
    assert [registry.by_label(label) for label in ("api", "gateway", "ai-gateway", "www", "")] == [None] * 5


def test_names_aliases_labels_and_hosts_are_each_given_once() -> None:
    for taken in (
        [name for provider in registry.PROVIDERS for name in (provider.name, *provider.aliases)],
        [label for provider in registry.PROVIDERS for label in provider.labels],
        [host for provider in registry.PROVIDERS for host in provider.hosts],
    ):
        assert sorted(taken) == sorted(set(taken))
    assert registry.BY_NAME["oai"] is registry.BY_NAME["openai"]


@pytest.mark.parametrize(
    ("name", "path", "operation", "model"),
    [
        ("openai", "/v1/chat/completions", "chat", None),
        ("openai", "/v1/chat/completions/", "chat", None),
        ("openai", "/v1/responses", "responses", None),
        ("openai", "/backend-api/codex/responses", "responses", None),
        ("openai", "/v1/completions", "text_completion", None),
        ("openai", "/v1/embeddings", "embeddings", None),
        ("anthropic", "/v1/messages", "chat", None),
        ("groq", "/openai/v1/chat/completions", "chat", None),
        ("openrouter", "/api/v1/chat/completions", "chat", None),
        ("fireworks", "/inference/v1/chat/completions", "chat", None),
        ("deepinfra", "/v1/openai/chat/completions", "chat", None),
        ("perplexity", "/chat/completions", "chat", None),
        ("deepseek", "/chat/completions", "chat", None),
        ("deepseek", "/v1/chat/completions", "chat", None),
        ("gemini", "/v1beta/openai/chat/completions", "chat", None),
        ("azure", "/openai/deployments/my-gpt/chat/completions", "chat", "my-gpt"),
        ("ollama", "/v1/chat/completions", "chat", None),
    ],
)
def test_method_and_path_are_an_operation(name: str, path: str, operation: str, model: str | None) -> None:
    found = registry.operation(registry.BY_NAME[name], "post", path)
    assert found and (found[0].name, found[1]) == (operation, model)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai", "/v1/responses"),
        ("openai", "/backend-api/codex/responses"),
        ("azure", "/openai/v1/responses"),
        ("azure", "/api/projects/shop/openai/v1/responses"),
        ("xai", "/v1/responses"),
        ("vercel", "/v1/responses"),
    ],
)
def test_responses_come_over_a_websocket(name: str, path: str) -> None:
    found = registry.operation(registry.BY_NAME[name], "GET", path)
    assert found and found[0].socket and found[0].name == "responses"


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("openai", "GET", "/v1/chat/completions"),
        ("openai", "POST", "/chat/completions"),
        ("openai", "GET", "/v1/videos/video_1"),
        ("openai", "POST", "/backend-api/codex/analytics-events/events"),
        ("anthropic", "POST", "/v1/messages/count_tokens/more"),
        ("anthropic", "POST", "/v1/messages/batches"),
        ("firecrawl", "POST", "/v0/scrape"),
    ],
)
def test_every_other_path_is_none(name: str, method: str, path: str) -> None:
    assert registry.operation(registry.BY_NAME[name], method, path) is None


def test_what_is_remembered_of_a_provider_is_not_told_of_another_of_its_name() -> None:
    openai = registry.by_name("openai")
    for _ in range(2):
        assert registry.operation(openai, "POST", "/v1/chat/completions")
        assert registry.operation(openai, "post", "/v1/chat/completions")
        assert registry.operation(openai, "POST /v1", "/chat/completions") is None
        assert registry.operation(replace(openai, operations=()), "POST", "/v1/chat/completions") is None


@pytest.mark.parametrize(("name", "asks"), [("groq", True), ("mistral", False)])
def test_usage_is_not_asked_of_who_refuses_the_question(name: str, asks: bool) -> None:
    path = {"groq": "/openai/v1/chat/completions", "mistral": "/v1/chat/completions"}[name]
    found = registry.operation(registry.BY_NAME[name], "POST", path)
    assert found
    assert found[0].asks_usage is asks


@pytest.mark.parametrize(
    ("path", "is_ours"),
    [("/backend-api/codex/responses", True), ("/v1/responses", False), ("/backend-api/conversation", False)],
)
def test_of_a_host_with_a_path_only_what_is_below_it_is_the_providers(path: str, is_ours: bool) -> None:
    found = registry.operation(registry.BY_NAME["openai"], "POST", path, "chatgpt.com")
    assert (found is not None) is is_ours


def test_every_name_of_the_design_is_a_provider() -> None:
    names = """openai anthropic gemini vertex bedrock azure mistral groq deepseek xai together fireworks cohere openrouter
        perplexity cerebras deepinfra nebius novita hyperbolic nvidia llama vercel huggingface sambanova moonshot zai
        minimax dashscope github_models cloudflare ollama vllm sglang lmstudio llamacpp"""
    assert set(names.split()) <= set(registry.BY_NAME)
    assert all(provider.source.startswith("https://") for provider in registry.PROVIDERS)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/team/llm/v1/messages", "/v1beta/models/m:generateContent"])
def test_a_name_of_the_users_own_is_read_by_the_shape_of_its_path(path: str) -> None:
    assert registry.operation(registry.by_name("rack"), "POST", path)


def test_errors_of_our_own_are_in_the_providers_dialect() -> None:
    assert dialect.error_body(registry.BY_NAME["anthropic"], 502, "connection_failed", "m") == {
        "type": "error",
        "error": {"type": "connection_failed", "message": "m"},
    }
    openai_shape = {"error": {"message": "m", "type": "t", "param": None, "code": "t"}}
    assert dialect.error_body(registry.BY_NAME["groq"], 502, "t", "m") == openai_shape
    assert dialect.error_body(None, 502, "t", "m") == openai_shape


def test_what_the_proxy_imports_stays_light() -> None:
    heavy = {"genai_prices", "tiktoken", "pyarrow", "duckdb"}
    code = "import sys, addon.providers.registry, addon.metering.reading; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert heavy.isdisjoint(loaded)
