"""What a call may cost at most."""

from typing import Any

import pytest

from addon.limits.upper_bound import DEAREST, FREE, Rates, rates_of, upper_bound

ONE, TWO, OWN = Rates(1, 10), Rates(2, 20), Rates(5, 5)
TABLE = {"openai": {"gpt-4o": ONE, "gpt-4o-mini": TWO, "own-*": OWN}}


@pytest.mark.parametrize(
    ("provider", "model", "rates"),
    [
        ("openai", "gpt-4o", ONE),
        ("openai", "GPT-4o-2024-08-06", ONE),
        ("openai", "gpt-4o-mini-2024", TWO),
        ("openai", "own-thing", OWN),
        ("openai", "somebody-elses", Rates(5, 20)),
        ("openai", None, Rates(5, 20)),
        ("mistral", "large", DEAREST),
    ],
)
def test_an_unknown_model_is_as_dear_as_the_dearest(provider: str, model: str | None, rates: Rates) -> None:
    assert rates_of(TABLE, provider, model, has_price_list=True) == rates


def test_a_server_of_the_users_own_is_free_unless_it_has_a_price() -> None:
    assert rates_of(TABLE, "ollama", "llama", has_price_list=False) == FREE


@pytest.mark.parametrize(
    ("body", "output_tokens"),
    [
        ({"max_tokens": 100}, 100),
        ({"max_completion_tokens": 100, "max_tokens": 5}, 100),
        ({"max_output_tokens": 7, "n": 3}, 21),
        ({"generationConfig": {"maxOutputTokens": 9}}, 9),
        ({"max_tokens": -1}, 8_192),
        ({"max_tokens": True}, 8_192),
        ({"max_tokens": 10**30}, 200_000),
        ({"max_tokens": 1, "n": 10**30}, 200_000),
        (None, 8_192),
        ([], 8_192),
    ],
)
def test_the_output_is_what_the_request_allows(body: Any, output_tokens: int) -> None:
    bound = upper_bound(Rates(0, 1), body, 300)
    assert (bound.nanousd, bound.tokens) == (output_tokens, output_tokens + 101)
