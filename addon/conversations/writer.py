"""What Writer has beside chat: questions to knowledge graphs, searches of the web, pictures and translations.

writer-sdk 3.0, types: graph_question_params.py, question.py, tool_web_search_params.py, vision_analyze_params.py,
translation_translate_params.py
"""

from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Dialect, Message, Prompt
from addon.conversations.parts import answer, file, message, texts
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json
from addon.providers.writer import said_in, said_in_stream

_ASKED: Final = ("question", "query", "prompt", "text")


def prompt(request: Json) -> Prompt:
    """One text; of a picture that is looked at its prompt, which names the files."""
    words = next((words for name in _ASKED if (words := string(at(request, name)))), None)
    files = [
        file("image", file_id, name=at(one, "name"))
        for one in items(at(request, "variables"))
        if (file_id := string(at(one, "file_id")))
    ]
    said = [*texts(words), *files]
    return Prompt(messages=(message("user", said),) if said else ())


def read_answer(body: Json) -> list[Message]:
    return answer(texts(said_in(body)))


def assemble(events: Iterable[Event]) -> Json:
    return {"answer": said_in_stream(parse(event.data) for event in events)}


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
