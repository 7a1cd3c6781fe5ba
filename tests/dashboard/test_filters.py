"""Filters: what a page's address means, as SQL over `requests`."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.dashboard.filters import Filter, Filters, NotAFilter, parse, parse_token


def where(query: str) -> str | None:
    filters = parse(parse_qsl(query, keep_blank_values=True))
    assert filters.complaints == ()
    return filters.where()


MODEL = "coalesce(response_model, request_model)"


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("", None),
        ("model=gpt-5", f"({MODEL} = 'gpt-5')"),
        ("model=a&model=b", f"({MODEL} = 'a' or {MODEL} = 'b')"),
        ("user=ada&provider=openai", "(user_id = 'ada') and (provider_name = 'openai')"),
        ("user!=ada", "not coalesce(user_id = 'ada', false)"),
        ("user=", "(user_id is null)"),
        ("error=*", "(error_type is not null)"),
        ("client=openai*", "(client like 'openai%' escape '\\')"),
        (r"user=a\*", "(user_id = 'a*')"),
        (r"user=\**", r"(user_id like '*%' escape '\')"),
        (r"user=C:\x", r"(user_id = 'C:\x')"),
        ('user=""', "(user_id = '')"),
        ("user=50%25_*", "(user_id like '50\\%\\_%' escape '\\')"),
        ("user=O'Hara", "(user_id = 'O''Hara')"),
        ("property:Feature=chat", "(properties['feature'] = 'chat')"),
        ("cost=>0.01", "(cost_nanousd / 1e9 > 0.01)"),
        ("cost=$0.1..1", "(cost_nanousd / 1e9 between 0.1 and 1.0)"),
        ("latency=>=1.5s", "(duration_ms >= 1500.0)"),
        ("tokens=<2k", "(input_tokens + output_tokens < 2000.0)"),
        ("status=4xx", "(status between 400 and 499)"),
        ("status=-3", "(status = -3)"),
        ("stream=yes", "(is_stream)"),
    ],
)
def test_a_query_means_a_condition(query: str, condition: str | None) -> None:
    assert where(query) == condition


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("modle=gpt-5", "did you mean 'model'"),
        ("cost=cheap", "is not a range of numbers"),
        ("stream=maybe", "is not one of yes, no"),
        ("words=", "write what to look for"),
        ("user=%00", "zero byte"),
        ("user=" + "x" * 501, "too long"),
    ],
)
def test_what_makes_no_sense_is_said_and_the_rest_is_kept(query: str, says: str) -> None:
    filters = parse(parse_qsl(f"provider=openai&{query}", keep_blank_values=True))
    assert filters.where() == "(provider_name = 'openai')"
    assert len(filters.complaints) == 1 and says in filters.complaints[0]


@pytest.mark.parametrize(
    ("typed", "token"),
    [
        ("model:gpt-5", Filter("model", "gpt-5")),
        ("-user:ada", Filter("user", "ada", negated=True)),
        ("user!=ada", Filter("user", "ada", negated=True)),
        ("cost>0.01", Filter("cost", ">0.01")),
        ("property:feature=chat", Filter("property:feature", "chat")),
        ("property:feature:chat", Filter("property:feature", "chat")),
        ("property:Customer Name=Acme: north=south", Filter("property:customer name", "Acme: north=south")),
        ("-property:team:eu=a", Filter("property:team:eu", "a", negated=True)),
        ("property:a<b!=c", Filter("property:a<b", "c", negated=True)),
        ('property:"quoted"=', Filter('property:"quoted"', "")),
        ("refund policy", Filter("words", "refund policy")),
        ("https://example.org", Filter("words", "https://example.org")),
    ],
)
def test_what_a_person_types_becomes_a_token(typed: str, token: Filter) -> None:
    assert parse_token(typed) == token


def test_a_token_that_makes_no_sense_says_why() -> None:
    with pytest.raises(NotAFilter, match="is not a range"):
        parse_token("cost>much")


def test_a_click_on_a_number_replaces_other_values_of_that_name() -> None:
    filters = parse([("model", "a"), ("model", "b"), ("user", "ada")])
    assert filters.only("model", "c").pairs() == [("user", "ada"), ("model", "c")]


def test_there_is_a_bound_on_filters() -> None:
    filters = parse([("user", str(number)) for number in range(60)])
    assert len(filters.filters) == 50
    assert "the rest is left out" in filters.complaints[0]


@given(st.text(min_size=1, max_size=30).filter(lambda text: "\0" not in text and "*" not in text))
def test_no_value_gets_out_of_its_quotes(value: str) -> None:
    sql = Filters((Filter("user", value),)).where()
    assert sql is not None
    inner = sql.removeprefix("(user_id = '").removesuffix("')")
    assert "'" not in inner.replace("''", "")
