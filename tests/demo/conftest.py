"""A fake provider, and the official SDKs pointed straight at it."""

from collections.abc import Iterator

import anthropic
import openai
import pytest

from addon.demo.providers import FakeProviders


@pytest.fixture
def provider() -> Iterator[FakeProviders]:
    with FakeProviders() as provider:
        yield provider


@pytest.fixture
def openai_client(provider: FakeProviders) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="sk-test", base_url=f"{provider.url}/v1", max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def anthropic_client(provider: FakeProviders) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key="sk-ant-test", base_url=provider.url, max_retries=0, timeout=30) as client:
        yield client
