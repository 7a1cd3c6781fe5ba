"""Documents and pages of the web that are read: a file or an address in, the words of its pages out, in Markdown.

Mistral (also at Azure and Vertex): https://docs.mistral.ai/api/endpoint/ocr; Z.ai: zai-sdk 0.2.3, types/ocr, file_parser
and web_reader; Cohere's parse: cohere 7.3.1, types/parse_response.py; Writer's: writer-sdk 3.0, types/tool_parse_pdf_response.py.
"""

from collections.abc import Iterable
from typing import Final

from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.parts import answer, blob, file, message, text, texts, uri
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json


def prompt(request: Json) -> Prompt:
    """The document: an address, a `data:` URL, or a file that was uploaded before; and the words that say what to note."""
    told = at(request, "document")
    said = [
        *_document(told, "document_url", "document"),
        *_document(told, "image_url", "image"),
        *_uploaded(told),
        *_zai_file(at(request, "file")),
        *_zai_file(at(request, "url")),
        *_sent(request),
        *texts(at(request, "document_annotation_prompt")),
    ]
    return Prompt(messages=(message("user", said),) if said else ())


def read_answer(body: Json) -> list[Message]:
    """Each page a part; the pictures in it, where they were asked for; what was noted of the whole, as JSON text."""
    said = [part for page in items(at(body, "pages")) for part in _page(page)]
    said += texts(at(body, "md_results")) + texts(at(body, "document_annotation"))
    said += texts(at(body, "content")) + texts(at(body, "reader_result", "content"))
    said += [part for line in items(at(body, "words_result")) for part in texts(at(line, "words"))]
    return answer(said, at(body, "finish_reason"))


def assemble(events: Iterable[Event]) -> Json:
    """Nobody sends these in parts; the last event would be the answer."""
    told = [parse(event.data) for event in events]
    return told[-1] if told else None


def _document(told: Json, key: str, modality: str) -> list[Part]:
    """Mistral takes `image_url` as a text or as an object with the `url`."""
    address = string(at(told, key)) or string(at(told, key, "url"))
    return [uri(modality, address)] if address else []


def _uploaded(told: Json) -> list[Part]:
    return [file("document", file_id)] if (file_id := string(at(told, "file_id"))) else []


def _zai_file(told: Json) -> list[Part]:
    """An address, or the bytes in base64."""
    if not (given := string(told)):
        return []
    is_address = given.startswith(("data:", "http://", "https://"))
    return [uri("document", given) if is_address else blob("document", None, given)]


def _sent(request: Json) -> list[Part]:
    """Files of a form: see read.py."""
    return [
        blob(at(one, "modality"), at(one, "mime_type"), at(one, "content"), name=at(one, "name"))
        for one in items(at(request, "files"))
    ]


def _page(page: Json) -> list[Part]:
    """Of Cohere `markdown` is an object, or the page is a list of `blocks`."""
    words = string(at(page, "markdown")) or string(at(page, "markdown", "content"))
    head, foot = string(at(page, "header")), string(at(page, "footer"))  # left out of the Markdown where they are here
    blocks = [
        content
        for block in ([] if words else items(at(page, "blocks")))
        for kind, member in (("text", "content"), ("table", "html"))
        if (content := string(at(block, kind, member)))
    ]
    whole = "\n\n".join(part for part in (head, words, *blocks, foot) if part)
    pictures = [
        _picture(data, image) for image in items(at(page, "images")) if (data := string(at(image, "image_base64")))
    ]
    return [*([text(whole)] if whole else []), *pictures]


def _picture(data: str, image: Json) -> Part:
    """A `data:` URL, or plain base64."""
    name = string(at(image, "id"))
    return uri("image", data, name=name) if data.startswith("data:") else blob("image", None, data, name=name)


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
