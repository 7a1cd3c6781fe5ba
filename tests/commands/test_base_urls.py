"""The variables of `heliograph run --base-url`: everybody's, and those that the user has set."""

import pytest

from addon.commands.base_urls import BASE_URLS, local_servers, redirect
from addon.config.upstreams import Origin
from addon.providers import registry

PROXY = "http://127.0.0.1:8787"


def test_without_values_of_the_users_each_leads_to_its_providers_prefix() -> None:
    found = redirect(PROXY, {}, {})
    assert found.variables["OPENAI_BASE_URL"] == f"{PROXY}/openai/v1"
    assert found.variables["ANTHROPIC_BASE_URL"] == f"{PROXY}/anthropic"
    assert found.variables["GOOGLE_GEMINI_BASE_URL"] == f"{PROXY}/gemini"
    assert "AZURE_OPENAI_ENDPOINT" not in found.variables  # there is no resource to call
    assert found.upstreams == {}


def test_every_variable_has_a_known_provider_and_a_source() -> None:
    assert [each.variable for each in BASE_URLS if each.provider not in registry.BY_NAME or not each.source] == []


@pytest.mark.parametrize(
    ("variable", "value", "path", "upstream"),
    [
        ("OPENAI_BASE_URL", "https://api.openai.com/v1", "/openai/v1", None),
        ("OPENAI_BASE_URL", "http://localhost:8000/v1/", "/vllm/v1", None),  # its usual port
        ("OPENAI_BASE_URL", "http://127.0.0.1:9001/v1", "/local-9001/v1", Origin("http", "127.0.0.1", 9001)),
        ("OPENAI_BASE_URL", "https://llm.example.org/api/v1", "/llm-example-org-api/api/v1", Origin("https", "llm.example.org", 443)),
        ("OPENAI_BASE_URL", "https://api.groq.com/openai/v1", "/groq/openai/v1", None),
        ("ANTHROPIC_BASE_URL", "https://gate.example.org", "/gate-example-org-api", Origin("https", "gate.example.org", 443)),
        ("OLLAMA_HOST", "0.0.0.0", "/ollama", None),
        ("OLLAMA_HOST", "127.0.0.1:11500", "/ollama", Origin("http", "127.0.0.1", 11500)),
        ("AZURE_OPENAI_ENDPOINT", "https://shop.openai.azure.com/", "/azure", Origin("https", "shop.openai.azure.com", 443)),
    ],
)  # fmt: skip
def test_a_server_that_the_user_has_named_is_called_by_way_of_the_proxy(
    variable: str, value: str, path: str, upstream: Origin | None
) -> None:
    found = redirect(PROXY, {variable: value}, {})
    assert found.variables[variable] == PROXY + path
    assert list(found.upstreams.values()) == ([upstream] if upstream else [])


def test_a_server_of_the_settings_keeps_its_name() -> None:
    rack = Origin("http", "10.0.0.7", 8000)
    found = redirect(PROXY, {"OPENAI_BASE_URL": "http://10.0.0.7:8000/v1"}, {"rack": rack})
    assert found.variables["OPENAI_BASE_URL"] == f"{PROXY}/rack/v1"
    assert found.upstreams == {}


@pytest.mark.parametrize("value", ["not a url", "http://[::1", "http://host:99999"])
def test_a_value_that_is_not_a_url_is_left_alone(value: str) -> None:
    assert "OPENAI_BASE_URL" not in redirect(PROXY, {"OPENAI_BASE_URL": value}, {}).variables


def test_servers_on_this_machine_are_known_by_their_port_or_by_a_variable() -> None:
    found = local_servers({"OPENAI_BASE_URL": "http://localhost:9001/v1"})
    assert found["127.0.0.1", 11434] == "ollama"
    assert found["127.0.0.1", 8000] == "vllm"
    assert found["127.0.0.1", 9001] == "local-9001"
