"""Fenced code blocks of Markdown, and what their info strings ask of the tests.

```console                      commands after `$ `; lines without `$` are a sample of their output
```python app.py                run, and kept under that name for later blocks
```text output                  what the block before prints, numbers aside
```console not-run: REASON      checked by what is possible without running it
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted(ROOT.glob("docs/**/*.md")))

_FENCE: Final = re.compile(r"^( *)```(.*?)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_NUMBER: Final = re.compile(r"(?<![\w.-])[-$]?\d[\d,.:]*(?![\w-])|(?<!\S)-(?!\S)")
_DATE: Final = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_UUID: Final = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    page: Path
    line: int  # of its first line of code
    language: str
    info: str  # the rest of the info string
    code: str
    output: str | None = None  # what it prints, where the page says so

    @property
    def not_run(self) -> bool:
        return self.info.startswith("not-run: ")

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page; a `text output` block is joined to the one before it."""
    text, held = page.read_text(encoding="utf-8"), None
    for found in _FENCE.finditer(text):
        language, _, info = found[2].strip().partition(" ")
        code = re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)
        if (language, info) == ("text", "output"):
            assert held, f"{page.name}: an output without a block before it"
            held = replace(held, output=code)
            continue
        if held:
            yield held
        line = text.count("\n", 0, found.start()) + 2
        held = Block(page=page, line=line, language=language, info=info, code=code)
    if held:
        yield held


def commands(code: str) -> list[str]:
    """The commands of a console block: lines after `$ `, with their continuations."""
    found: list[str] = []
    goes_on = False
    for line in code.splitlines():
        if line.startswith("$ "):
            found.append(line[2:])
        elif goes_on:
            found[-1] += f"\n{line}"
        goes_on = (line.startswith("$ ") or goes_on) and line.endswith("\\")
    return found


def sample_output(code: str) -> list[str]:
    """The lines of a console block that are neither commands nor `...`."""
    lines: list[str] = []
    goes_on = False
    for line in code.splitlines():
        is_command = line.startswith("$ ") or goes_on
        goes_on = is_command and line.endswith("\\")
        if not is_command and line.strip() not in ("", "..."):
            lines.append(line)
    return lines


def shape(line: str) -> str:
    """A line without what differs from run to run: numbers, dates, ids, widths of columns."""
    without_ids = _UUID.sub("ID", re.sub("─+", "─", line))
    return " ".join(_NUMBER.sub("#", _DATE.sub("DAY", without_ids)).split())
