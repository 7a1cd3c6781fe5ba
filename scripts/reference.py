"""The pages under docs/reference/, made from the code: `scripts/reference` writes them, `--check` fails where one is stale.

Headers come from addon/config/controls.py, settings from the models in addon/config/models.py, commands from click, columns
from addon/storage/record.py and the views, endpoints from the OpenAPI document, providers from their registry.
"""

import argparse
import ast
import inspect
import io
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
_NOTE: Final = "<!-- Made by scripts/reference; edit {source} and run it again. -->"
_WIDTH: Final = 100  # of help texts


def headers() -> str:
    from addon.config.controls import HEADERS

    def rows(direction: str, support: str) -> list[tuple[str, str]]:
        return [
            (f"`{each.spelled}`", each.meaning)
            for each in HEADERS
            if (each.direction, each.support) == (direction, support)
        ]

    def names(support: str) -> str:
        return ", ".join(name for name, _ in rows("request", support)) + "."

    return _page(
        "Headers",
        "addon/config/controls.py",
        "Names are compared without regard to case. `Helicone-*` headers and `Proxy-Authorization` never reach a provider. A value "
        "that cannot be read turns its feature off; the call is served, and `Helicone-Warning` says which header and why.",
        "## What a program can send",
        _table(("header", "meaning"), rows("request", "served")),
        "## What an answer carries",
        _table(("header", "meaning"), rows("response", "served")),
        "## Helicone's headers that do nothing here",
        f"Accepted without a word: {names('ignored')}",
        f"Not supported, which `Helicone-Warning` says: {names('not supported')}",
    )


def settings() -> str:
    from addon.config.models import File

    parts = []
    for name, section in File.model_fields.items():
        model = next((each for each in _inner(section.annotation) if issubclass(each, BaseModel)), None)
        kind = get_origin(section.annotation)
        if model is None and kind is not dict:
            value = (f"`{name}`", _kind(section.annotation), "", "above the first section")
            parts += [f"## {name}", section.description or "", _table(("key", "value", "default", "meaning"), [value])]
            continue
        title = f"[[{name}]]" if kind is list else f"[{name}.NAME]" if kind is dict and model else f"[{name}]"
        rows = (
            list(_keys(model))
            if model
            else [("`NAME`", _kind(get_args(section.annotation)[1]), "", "one line for each NAME")]
        )
        parts += [f"## {title}", section.description or "", _table(("key", "value", "default", "meaning"), rows)]
        if model and model.__doc__:
            example = inspect.cleandoc(model.__doc__)
            info = "toml not-run: shortened" if '..."' in example else "toml"
            parts.append(f"```{info}\n{example}\n```")
    return _page(
        "Settings",
        "addon/config/models.py",
        "`heliograph.toml` in the data folder, or `--config FILE`. Every section may be left out. How to use them: [Settings](../settings.md).",
        *parts,
    )


def _keys(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(key, kind of value, default, meaning) of each key of a section, and of the tables in it."""
    for name, info in model.model_fields.items():
        key = f"{above}{info.alias or name}"
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield f"`{key}`", "table", "", info.description or ""
            yield from _keys(info.annotation, f"{key}.")
            continue
        default = None if info.is_required() else info.get_default()
        shown = "required" if info.is_required() else "" if default in (None, [], {}) else f"`{_toml(default)}`"
        yield f"`{key}`", _kind(info.annotation), shown, info.description or ""


def _toml(value: object) -> str:
    """A default as the file would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _inner(annotation: object) -> Iterator[type]:
    """The classes in an annotation."""
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for part in get_args(annotation):
        yield from _inner(part)


def _kind(annotation: object) -> str:
    """The kind of value in a reader's words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return ", ".join(f"`{_toml(part)}`" for part in parts)
    if origin is list:
        return f"list of {_kind(parts[0])}"
    if origin is dict:
        return "table"
    if origin is UnionType or origin is Union:
        return next(_kind(part) for part in parts if part is not NoneType)
    return _KINDS.get(annotation, "text")


_KINDS: Final[dict[object, str]] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    Decimal: "number",
    date: "date",
    str: "text",
    Any: "text or number",
}


def commands() -> str:
    from addon.commands.cli import main

    found = list(_commands(main, "heliograph"))
    return _page(
        "Commands",
        "the command in addon/commands/",
        "Data goes to stdout, messages to stderr. Exit status: 0 done, 1 failed, 2 wrong usage; `run` exits with its program's.",
        *(f"## {name}\n\n```text\n{text}\n```" for name, text in found),
    )


def _commands(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """(name, help) of a command and of those below it."""
    context = click.Context(
        command,
        info_name=name.rpartition(" ")[2],
        parent=parent,
        terminal_width=_WIDTH,
        max_content_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield name, command.get_help(context).rstrip()
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below
            yield from _commands(below, f"{name} {each}", context)


def row() -> str:
    from addon.storage import record
    from analysis.lake import Lake
    from analysis.table import fetch

    parts = []
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        for view, (source, about) in _VIEWS.items():
            meanings = (_comments(getattr(record, source)) if source else {}) | _DERIVED
            columns = lake.ask(lambda connection, view=view: list(fetch(connection, f"describe {view}", {}).records()))  # type: ignore[misc]
            rows = [
                (f"`{each['column_name']}`", each["column_type"].lower(), meanings.get(each["column_name"], ""))
                for each in columns
            ]
            parts += [f"## {view}", about, _table(("column", "type", "meaning"), rows)]
    return _page(
        "The row",
        "addon/storage/record.py",
        "The views of `heliograph sql`, which are also the columns of the Parquet files. Names follow OpenTelemetry's GenAI conventions; "
        "units are in the names. NULL means that a value is not known; it is never 0.",
        *parts,
    )


# View -> the class in record.py that says what its columns mean, and one line about a row.
_VIEWS: Final = {
    "requests": ("RequestRow", "One call of a program, its retries and fallbacks included."),
    "bodies": ("BodyRow", "What was said in a call. Its own files, so that bodies can be deleted and numbers kept."),
    "sessions": ("", "One session: all calls with one `session_id`."),
    "users": ("", "One user: all calls with one `user_id`."),
    "feedback": ("FeedbackRow", "The newest rating of a call."),
    "scores": (
        "ScoreRow",
        "The newest score of each name of a call. A rating is also the score `helicone-score-feedback`.",
    ),
    "property_changes": ("PropertyChangeRow", "The newest value of each property that was set after a call."),
}
# Columns that only the views have.
_DERIVED: Final = {
    "date": "the day of started_at, UTC: the partition",
    "cost_usd": "cost_nanousd in US dollars",
    "saved_usd": "saved_nanousd in US dollars",
    "calls": "how many calls",
    "errors": "how many of them have an error_type",
    "unpriced": "how many of them have no cost",
    "sessions": "how many sessions",
    "first_call_at": "when the first call began",
    "last_call_at": "when the last call began",
}


def _comments(record: type) -> dict[str, str]:
    """The comment beside each field of a dataclass; where the field takes several lines, the first comment on them."""
    source = inspect.getsource(record)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    fields = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.AnnAssign)]
    return {
        ast.unparse(field.target): comment.replace("None", "NULL")
        for field in fields
        for line in range(field.end_lineno or field.lineno, field.lineno - 1, -1)
        if (comment := comments.get(line))
    }


def endpoints() -> str:
    from addon.config.settings import Settings
    from addon.routing.own_endpoints import role_for
    from addon.storage.journal import Journal
    from analysis.api.app import make_app
    from analysis.api.openapi import document
    from analysis.api.sql_workers import SqlWorkers
    from analysis.api.state import Api
    from analysis.lake import Lake

    nowhere = Path("nowhere")  # only the routes are looked at
    journal = Journal(nowhere, on_trouble=lambda _: None)
    api = Api(
        settings=Settings(data=nowhere, config=nowhere),
        secret=b"",
        lake=Lake(nowhere),
        sql=SqlWorkers(nowhere),
        journal=journal,
    )
    rows = [
        ("GET", "`/`", "", "Version and state of this proxy, and where to go from here"),
        (
            "GET",
            "`/healthz`",
            "",
            "200 once calls are served; what was counted since the start; `degraded` where nothing can be recorded",
        ),
    ]
    for path, methods in document(make_app(api).routes)["paths"].items():
        for method, operation in methods.items():
            rows.append((method.upper(), f"`{path}`", role_for(method.upper(), path) or "", operation["summary"]))
    return _page(
        "Endpoints",
        "the route in analysis/api/",
        "On the proxy's own address, and through the proxy as `https://api.helicone.ai/...`. Bodies, answers and errors are in OpenAPI at "
        "`/openapi.json`. The role is what a key needs, where the proxy has [keys](../keys.md).",
        _table(("method", "path", "role", "what it does"), rows),
    )


def providers() -> str:
    from addon.providers.describe import ABOUT, sections

    return _page("Providers", "addon/providers", ABOUT, *sections())


def wrong_inputs() -> str:
    from scripts.wrong_inputs import COMMANDS, HEADERS, SETTINGS, answers

    found = list(answers())
    at = len(COMMANDS), len(COMMANDS) + len(SETTINGS)
    typed = [(_code(each.asked), str(each.exit_code), _code(each.says)) for each in found[: at[0]]]
    settings = [(_code(each.asked), _code(each.says)) for each in found[at[0] : at[1]]]
    headers = [(_code(each.asked), _code(each.says)) for each in found[at[1] :]]
    assert len(headers) == len(HEADERS)
    return _page(
        "Wrong inputs",
        "scripts/wrong_inputs.py",
        f"{len(found)} wrong inputs and what is answered, each tried when this page was made, in an empty home. `DATA` is the data folder. Exit 2 is wrong usage, "
        "1 a failure; `heliograph run` ends like the program, and as a shell does where it cannot start one.",
        "## On the command line",
        _table(("you type", "exit", "answer"), typed),
        "## In `heliograph.toml`",
        "Every command that needs the settings ends with exit 2. `report`, `sql` and `tail` warn and answer.",
        _table(("the file has", "answer"), settings),
        "## In a header of a call",
        "The call is served, and the answer's `Helicone-Warning` says:",
        _table(("header", "warning"), headers),
    )


def _code(text: str) -> str:
    """Each line as code, whatever it has in it."""
    fence = "``" if "`" in text else "`"
    space = " " if fence == "``" else ""
    return "<br>".join(f"{fence}{space}{line}{space}{fence}" for line in text.splitlines() if line.strip())


# Path under docs/, without .md -> what makes the page.
PAGES: Final[dict[str, Callable[[], str]]] = {
    "providers": providers,
    "reference/headers": headers,
    "reference/settings": settings,
    "reference/commands": commands,
    "reference/row": row,
    "reference/endpoints": endpoints,
    "reference/wrong-inputs": wrong_inputs,
}


def _page(title: str, source: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", _NOTE.format(source=source), *parts)) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *(tuple(cell.replace("|", r"\|") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def stale(folder: Path = DOCS) -> list[str]:
    """Names of pages that are not what the code says."""
    return [
        name
        for name, make in PAGES.items()
        if not (file := folder / f"{name}.md").exists() or file.read_text(encoding="utf-8") != make()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/reference", description="Makes the pages under docs/reference/.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a page is not what the code says"
    )
    if parser.parse_args().check:
        if old := stale():
            sys.exit(f"stale: {', '.join(f'docs/{name}.md' for name in old)}; run scripts/reference and commit them")
        return
    (DOCS / "reference").mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (DOCS / f"{name}.md").write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
