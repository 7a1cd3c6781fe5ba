"""What pure functions of a text answered is remembered, in bounds."""

import pytest

from addon.remember import remember_short


def test_short_texts_are_worked_out_once_and_long_ones_each_time() -> None:
    asked: list[str] = []

    @remember_short(10)
    def length(text: str) -> int:
        asked.append(text)
        return len(text)

    assert [length("short"), length("short")] == [5, 5]
    assert [length("x" * 5000), length("x" * 5000)] == [5000, 5000]
    assert asked == ["short", "x" * 5000, "x" * 5000]


def test_only_so_many_are_kept_and_no_failure() -> None:
    asked: list[str] = []

    @remember_short(2)
    def number(text: str) -> int:
        asked.append(text)
        return int(text)

    assert [number(text) for text in ("1", "2", "3", "3", "1")] == [1, 2, 3, 3, 1]
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            number("one")
    assert asked == ["1", "2", "3", "1", "one", "one"]
