"""Searches of the web as calls of their own: the query, and what was found as it was given. A search says no words itself.

Perplexity: https://docs.perplexity.ai/api-reference/search-post; Z.ai: zai-sdk 0.2.3, types/web_search
"""

from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Dialect, Message, Prompt
from addon.conversations.parts import answer, listed, message, odd, texts
from addon.providers.fields import at, items, parse
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    """`query`: one text, or several; of Z.ai `search_query`."""
    asked = at(request, "query") or at(request, "search_query")
    said = [part for one in listed(asked) for part in texts(one)]
    return Prompt(messages=(message("user", said),) if said else ())


def read_answer(body: Json) -> list[Message]:
    found = items(at(body, "results")) or items(at(body, "search_result"))
    return answer([odd(found, "search_results")] if found else [])


def assemble(events: Iterable[Event]) -> Json:
    """Nobody sends these in parts; the last event would be the answer."""
    told = [parse(event.data) for event in events]
    return told[-1] if told else None


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
