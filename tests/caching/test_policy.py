"""The values of the cache's headers."""

import pytest

from addon.caching.policy import CacheControl, parse_bucket_size, parse_cache_control, parse_ignore_keys

WEEK_S, YEAR_S = 604_800, 31_536_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max-age=60", CacheControl(60)),
        ("Max-Age=60, private", CacheControl(60)),
        ("max-age=60, s-maxage=120", CacheControl(120)),
        ('max-age="60"', CacheControl(60)),
        ("max-age=60, max-age=90", CacheControl(60)),
        ("max-stale=60", CacheControl(WEEK_S)),
        ("", CacheControl(WEEK_S)),
        ("max-age=31536001", CacheControl(YEAR_S)),
        ("max-age=" + "9" * 5000, CacheControl(YEAR_S)),
        ("no-store", CacheControl(WEEK_S, no_store=True)),
        ("no-cache, max-age=5", CacheControl(5, no_cache=True)),
    ],
)
def test_cache_control_gives_the_age_and_the_two_refusals(text: str, expected: CacheControl) -> None:
    assert parse_cache_control(text) == expected


def test_an_age_of_zero_neither_hits_nor_stores() -> None:
    control = parse_cache_control("max-age=0")
    assert (control.may_read, control.may_save) == (False, False)


def test_no_cache_stores_and_no_store_reads() -> None:
    no_cache, no_store = parse_cache_control("no-cache"), parse_cache_control("no-store")
    assert (no_cache.may_read, no_cache.may_save) == (False, True)
    assert (no_store.may_read, no_store.may_save) == (True, False)


@pytest.mark.parametrize("text", ["max-age", "max-age=soon", "max-age=-1", "max-age=1.5", "max-age=60, s-maxage=²"])
def test_an_age_that_is_not_a_number_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match=r"write whole seconds, e\.g\. (s-maxage|max-age)=3600"):
        parse_cache_control(text)


@pytest.mark.parametrize(("text", "size"), [("1", 1), (" 20 ", 20), ("007", 7)])
def test_a_bucket_holds_one_to_twenty_answers(text: str, size: int) -> None:
    assert parse_bucket_size(text) == size


@pytest.mark.parametrize("text", ["0", "21", "-1", "1.5", "three", "", "9" * 5000, "²"])
def test_another_bucket_size_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="write a whole number from 1 to 20"):
        parse_bucket_size(text)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a", ("a",)),
        ("a,b , c", ("a", "b", "c")),
        ("metadata.trace_id, user", ("metadata.trace_id", "user")),
        ('"a","b"', ("a", "b")),
        ('"a" , b', ("a", "b")),
        ('"with, comma","with \\"quotes\\""', ("with, comma", 'with "quotes"')),
        ('["a", "b.c"]', ("a", "b.c")),
        (' ["a"] ', ("a",)),
        ("a,b,a,", ("a", "b")),
        ("[]", ()),
        ("", ()),
    ],
)
def test_keys_are_listed_bare_quoted_or_as_json(text: str, keys: tuple[str, ...]) -> None:
    assert parse_ignore_keys(text) == keys


@pytest.mark.parametrize("text", ["[a,b]", '["a", 1]', '["a"', '["a", ""]', 'a"b', '"a', '"a"b', '"\\x"', "[" * 60_000])
def test_another_list_of_keys_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="write a,b or"):
        parse_ignore_keys(text)
