"""`heliograph export fine-tuning`: conversations as training examples."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from addon.commands.export_options import (
    open_lake,
    output_option,
    question_mistakes,
    redactor_for,
    say,
    say_if_nothing,
    scope_options,
    write_output,
)
from addon.commands.options import data_options, examples
from addon.commands.progress import progress_bar
from addon.commands.tables import warn

if TYPE_CHECKING:
    from analysis.exports.fine_tuning.sets import Counts
    from analysis.reports.scope import Scope

_FORMATS: Final = ("openai", "anthropic", "sharegpt")
_SCORE: Final = re.compile(r"(?P<name>.+?)\s*(?P<sign>>=|<=|>|<|=)\s*(?P<number>[+-]?[0-9]+(\.[0-9]+)?)")


@click.command(
    name="fine-tuning",
    short_help="Conversations as a fine-tuning set.",
    epilog=examples(
        "heliograph export fine-tuning --format openai -o train.jsonl",
        "heliograph export fine-tuning --format openai --rating positive -o good.jsonl --since 90d",
        "heliograph export fine-tuning --format sharegpt --score 'accuracy>=0.8' --property feature=chat -o chat.jsonl",
        "heliograph export fine-tuning --format anthropic --where \"model like 'claude-%'\" -o claude.jsonl",
    ),
)
@output_option("A new file of JSON lines.")
@click.option("--format", "form", type=click.Choice(_FORMATS), required=True, help="The form that its trainer reads.")
@click.option("--rating", type=click.Choice(("positive", "negative")), help="Only calls that were rated so.")
@click.option(
    "--score",
    "scores",
    multiple=True,
    metavar="NAME>=NUMBER",
    help="Only calls with such a score: >=, >, <=, < or =. Repeatable.",
)
@click.option("--property", "properties", multiple=True, metavar="NAME=VALUE", help="Only calls with it. Repeatable.")
@click.option(
    "--redact",
    is_flag=True,
    help="Put pseudonyms in the place of secrets: by [redact] of the settings, else the usual patterns.",
)
@scope_options
@data_options
def fine_tuning(
    target: Path | None,
    form: str,
    rating: str | None,
    scores: tuple[str, ...],
    properties: tuple[str, ...],
    redact: bool,
    scope: "Scope",
    data: Path,
    config: Path | None,
) -> None:
    """Write one training example for each conversation with a complete answer.

    Each example is written once, and of a conversation that went on only the longest: agents send it again each turn. Reasoning
    is left out. What was left out, and why, is on stderr.
    """
    from analysis.exports.fine_tuning.sets import Counts, write_set
    from analysis.exports.slices import days

    chosen = replace(scope, where=_with_choices(scope.where, rating, scores, properties))
    redactor = redactor_for(data, config) if redact else None
    lake = open_lake(data, config)
    counts = Counts()

    def write(file: IO[bytes]) -> None:
        nonlocal counts
        with question_mistakes(chosen), progress_bar() as progress:
            found = lake.ask(lambda connection: days(connection, chosen))
            bar = progress.add_task("calls", total=sum(calls for _, calls in found))
            counts = write_set(
                lake,
                chosen,
                [day for day, _ in found],
                form,
                file,
                advance=lambda calls: progress.advance(bar, calls),
                redact=redactor.body if redactor else None,
                spool_folder=target.parent if target else None,
            )

    write_output(target, write)
    _say_counts(target, counts)
    say_if_nothing(lake, data, chosen, counts.looked_at)


def _say_counts(target: Path | None, counts: "Counts") -> None:
    say(target, f"{counts.examples:,} of {counts.looked_at:,} calls, about {counts.tokens:,} tokens")
    for remark, number in counts.remarks.most_common():
        warn(f"{number:,} of them {remark}")
    for reason, number in counts.left_out.most_common():
        warn(f"left out {number:,}: {reason}")


def _with_choices(
    where: str | None, rating: str | None, scores: Sequence[str], properties: Sequence[str]
) -> str | None:
    """One condition of all that was chosen."""
    from addon.intake.events import pairs
    from analysis.quoting import literal

    conditions = [f"(\n{where}\n)"] if where is not None else []
    if rating:
        rated = "" if rating == "positive" else "not "
        conditions.append(f"request_id in (select request_id from feedback where {rated}rating)")
    conditions += [_score_condition(score) for score in scores]
    try:
        given = pairs("--property", properties)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    conditions += [f"properties[{literal(name.lower())}] = {literal(value)}" for name, value in given.items()]
    return " and ".join(conditions) or None


def _score_condition(text: str) -> str:
    from analysis.quoting import literal

    found = _SCORE.fullmatch(text.strip())
    if not found:
        raise click.UsageError(f"--score {text!r}: write a name, >=, >, <=, < or =, and a number, e.g. 'accuracy>=0.8'")
    name, sign, number = found["name"], found["sign"], found["number"]
    return f"request_id in (select request_id from scores where name = {literal(name)} and value {sign} {number})"
