"""The table that a long run of a script ends with."""

from collections.abc import Mapping


def count_table(lines: Mapping[str, object]) -> str:
    """Markdown: what was counted, and how often."""
    return "\n".join(["| what | count |", "| --- | --- |", *(f"| {what} | {count} |" for what, count in lines.items())])
