"""`heliograph show`: what was said in a call."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from addon.commands.options import Failure, data_options, examples

if TYPE_CHECKING:
    from analysis.conversations.messages import Call


@click.command(
    short_help="Show what was said in a call.",
    epilog=examples(
        "heliograph show 0199a3f2-7c1e-7b3a-9d2f-3f1d2c4b5a69",
        "heliograph show ID --new",
        "heliograph show ID --json | jq '.[0].output_messages'",
    ),
)
@click.argument("request_id")
@click.option("--new", "only_new", is_flag=True, help="Leave out the messages that the turn before it had.")
@click.option("--json", "as_json", is_flag=True, help="One array of objects, one a call with this id.")
@data_options
def show(request_id: str, only_new: bool, as_json: bool, data: Path, config: Path | None) -> None:
    """Print the conversation of a call: roles, words, reasoning, calls of tools and their results.

    It is the same for every provider. --json gives it as OpenTelemetry's GenAI messages. With --new, `first_new` is the
    index of the first input message that the turn before it in the session did not have.
    """
    from analysis.by_id import ask_by_id
    from analysis.conversations.messages import by_id, new_from
    from analysis.lake import Connection, Lake

    def question(connection: Connection) -> "list[tuple[Call, int | None]]":
        return [(call, new_from(connection, call) if only_new else None) for call in by_id(connection, request_id)]

    # The turn before it may be of any earlier day.
    found = Lake(data).ask(question) if only_new else ask_by_id(Lake(data), request_id, question)
    if not found:
        raise Failure(f"no call with the id {request_id} in {data}; `heliograph sql` finds ids")
    if as_json:
        click.echo(b"[" + b", ".join(_json(call, first_new) for call, first_new in found) + b"]")
        return
    for call, first_new in found:
        click.echo("\n".join(_lines(call, first_new)))


def _lines(call: "Call", first_new: int | None) -> list[str]:
    from analysis.faces.conversation_text import conversation_lines
    from analysis.faces.render import printable

    said, conversation = call.said, call.conversation
    head = [call.request_id, f"{call.started_at:%Y-%m-%d %H:%M:%S} UTC", said.provider_name, said.operation_name]
    lines = [printable("  ".join([*head, call.model or "no model stated"]))]
    if conversation is None:
        return [*lines, _without(call)]
    return [*lines, *conversation_lines(conversation, first_new)]


def _without(call: "Call") -> str:
    if call.said.request_body is None and call.said.response_body is None:
        return "its bodies were not kept"
    return "no messages: nothing is said in such a call, or its bodies have an unknown shape; see the view bodies"


def _json(call: "Call", first_new: int | None) -> bytes:
    from addon.conversations.model import dumped
    from analysis.conversations.messages import as_record

    return dumped(as_record(call) | ({} if first_new is None else {"first_new": first_new}))
