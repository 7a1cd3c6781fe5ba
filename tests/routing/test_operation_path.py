"""The operation of a path, however it is spelled."""

import pytest

from addon.providers import registry
from addon.providers.model import Operation, Provider
from addon.routing.operation_path import classify

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/%63hat/completions", "//v1/chat/completions", "/v1//chat/completions", "/v1/./chat/completions"),
        *("/v1/x/../chat/completions", "/v1/%2e%2e/v1/chat/completions", "/v1/chat%2Fcompletions", "/v1%5cchat/completions"),
        *("/v1/%2563hat/completions", "/V1/Chat/Completions", "/v1/chat/completions;x=y", "/v1/chat/completions%20"),
        *("/v1/chat;a/completions", "/%76%31/chat/completions//", "/v1/chat\\completions", "/v1/chat/completions%00"),
    ],
)  # fmt: skip
def test_a_disguised_operation_is_found_and_called_ambiguous(path: str) -> None:
    seen = classify(registry.BY_NAME["openai"], "post", path, "api.openai.com")
    assert seen.found and seen.found[0].name == "chat"
    assert seen.is_ambiguous
    assert seen.path.lower() == CHAT
    assert registry.operation(registry.BY_NAME["openai"], "POST", seen.path.lower(), "api.openai.com")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai", CHAT),
        ("openai", f"{CHAT}/"),
        ("gemini", "/v1beta/models/gemini-2.5-flash:generateContent"),
        ("gemini", "/v1beta/models/gemini-2.5-flash%3AgenerateContent"),
        ("azure", "/openai/deployments/my%20model/chat/completions"),
    ],
)
def test_what_clients_really_send_is_not_ambiguous(name: str, path: str) -> None:
    provider = registry.BY_NAME[name]
    seen = classify(provider, "POST", path, provider.hosts[0])
    assert seen.found is not None
    assert not seen.is_ambiguous


def test_a_pattern_may_take_an_encoded_slash() -> None:
    """A Bedrock model is an ARN."""
    converse = Operation(name="chat", path=r"/model/(?P<model>[^/]+)/converse")
    provider = Provider(name="x", origin="https://x.example", hosts=("x.example",), operations=(converse,))
    path = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.anthropic.claude/converse"
    assert not classify(provider, "POST", path, "x.example").is_ambiguous
    disguised = classify(provider, "POST", path.replace("converse", "conv%65rse"), "x.example")
    assert disguised.found and disguised.is_ambiguous


@pytest.mark.parametrize(
    ("path", "ambiguous"),
    [
        ("/v1/models", False),
        ("/v1/models/meta-llama%2FLlama-3", False),
        ("/v1/files/%7Ex", False),
        ("/v1/models/a.b..c", False),
        ("//v1/models", True),
        ("/v1/files/../models", True),
        ("/v1/files/%2e%2e/models", True),
        ("/v1/files/%252e", True),
        ("/v1/files/a%5cb", True),
    ],
)
def test_another_path_is_ambiguous_by_its_structure(path: str, ambiguous: bool) -> None:
    seen = classify(registry.BY_NAME["openai"], "GET", path, "api.openai.com")
    assert seen.found is None
    assert seen.is_ambiguous is ambiguous


def test_the_cost_is_linear_in_the_path() -> None:
    for path in ("/" * 60_000, "/%25" * 15_000, "/a;" * 20_000, "/..%2f" * 10_000, "/" + "%63" * 20_000):
        classify(registry.BY_NAME["bedrock"], "POST", path, "bedrock-runtime.us-east-1.amazonaws.com")


def test_a_request_that_names_another_method_is_what_that_method_means() -> None:
    openai = registry.BY_NAME["openai"]
    seen = classify(openai, "GET", CHAT, "api.openai.com", ["POST"])
    assert seen.found and seen.found[0].name == "chat"
    assert seen.is_ambiguous
    sent_as_post = classify(openai, "POST", CHAT, "api.openai.com", ["GET"])
    assert sent_as_post.found == seen.found  # a provider may not know the header
    assert not sent_as_post.is_ambiguous
    assert classify(openai, "GET", "/v1/models", "api.openai.com", ["POST"]).found is None
    assert not classify(openai, "GET", "/v1/models", "api.openai.com", ["POST"]).is_ambiguous
    many = [f"X{i}" for i in range(1000)]
    assert classify(openai, "GET", CHAT, "api.openai.com", [*many, "POST"]).is_ambiguous
