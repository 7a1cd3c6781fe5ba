"""The pages under docs/reference/ are made from the code; whether they are up to date is `scripts/check`'s part."""

from pathlib import Path

from scripts import reference


def test_every_column_of_the_calls_has_a_meaning() -> None:
    rows = reference.row().partition("## requests")[2].partition("## bodies")[0].splitlines()
    columns = [line.split(" | ") for line in rows if line.startswith("| `")]
    assert len(columns) > 40
    assert [name for name, _, meaning in columns if meaning.strip(" |") == ""] == []


def test_every_command_has_its_help() -> None:
    page = reference.commands()
    for name in ("heliograph", "heliograph run", "heliograph report", "heliograph keys add"):
        assert f"## {name}\n\n```text\nUsage: {name}" in page


def test_the_check_names_pages_that_are_missing_or_differ(tmp_path: Path) -> None:
    made = reference.headers()
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "headers.md").write_text(made)
    (tmp_path / "reference" / "row.md").write_text("old")
    assert reference.stale(tmp_path) == [name for name in reference.PAGES if name != "reference/headers"]
