"""Embeddings, images, video, music, speech and transcripts: words in, files out, or the other way round.

Sources: those of their readers in addon/providers (openai_images.py, openai_audio.py, openai_videos.py, gemini_media.py,
bedrock_invoke.py, mistral.py, minimax.py).
"""

import base64
from collections.abc import Iterable
from typing import Final

from addon.conversations.gemini import content_parts as gemini_parts
from addon.conversations.model import Dialect, Message, Part, Prompt
from addon.conversations.openai_chat import content_parts
from addon.conversations.parts import answer, blob, joined_base64, listed, message, text, texts, uri
from addon.providers.fields import at, items, parse, string
from addon.providers.model import Event, Json

# Members of requests that say what is wished, in words.
_WORDS: Final = (
    *("input", "inputs", "texts", "inputText", "prompt", "text", "content", "queries"),
    *("textToImageParams", "textToVideoParams", "imageVariationParams", "inPaintingParams", "outPaintingParams"),
)
_IMAGES: Final = ("image", "images", "init_image", "inputImage", "mask", "maskImage", "referenceImages")
_ADDRESSES: Final = ("data:", "http://", "https://", "gs://", "s3://")
_SOUND: Final = ("audio", "audio_data", "audioContent")
_UPLOADED: Final = "files"  # of a form: see read.py


def prompt(request: Json) -> Prompt:
    """All that is given, as one message of the user."""
    said = [part for given in _given(request) for part in _parts(given)]
    said += [_uploaded(one) for one in items(at(request, _UPLOADED))]
    return Prompt(
        messages=(message("user", said),) if said else (),
        system_instructions=tuple(texts(at(request, "instructions"))),
    )


def read_answer(body: Json) -> list[Message]:
    """Files that were made, each a part; words of a transcript. Vectors, scores and jobs are not messages."""
    made = [*_images(body), *_sounds(body), *texts(_transcript(body))]
    return answer(made)


def assemble(events: Iterable[Event]) -> Json:
    """Whole images and transcripts at the end; sound in pieces."""
    images: list[Json] = []
    words: list[str] = []
    sound: list[str] = []
    whole: str | None = None
    for event in events:
        data = parse(event.data)
        kind = string(at(data, "type")) or event.event or ""
        if kind.endswith(".completed"):
            images.append(data)
        elif kind.endswith(".done"):
            whole = string(at(data, "text")) or whole
        elif "audio" in kind:
            sound.append(string(at(data, "audio")) or string(at(data, "audio_data")) or "")
        elif kind.endswith(".delta"):
            words.append(string(at(data, "delta")) or string(at(data, "text")) or "")
        elif at(data, "object") == "transcription.chunk":  # vLLM and SGLang
            words += [string(at(choice, "delta", "content")) or "" for choice in items(at(data, "choices"))]
    return {"data": images, "text": whole or "".join(words), "audio": joined_base64(sound) or None}


def _given(request: Json) -> list[Json]:
    """What several APIs nest: Google's instances and contents, Bedrock's and DashScope's parameters."""
    inner = [
        *items(at(request, "instances")),
        *items(at(request, "requests")),
        *listed(at(request, "modelInput")),
        *listed(at(request, "singleEmbeddingParams")),
    ]
    return inner or [request]


def _parts(given: Json) -> list[Part]:
    found: list[Part] = []
    for name in _WORDS:
        found += _words(at(given, name))
    for name in _IMAGES:
        for image in listed(at(given, name)):
            found += _image_in(image)
    if sound := string(at(given, "audio")):
        found += [uri("audio", sound) if sound.startswith(_ADDRESSES) else blob("audio", None, sound)]
    return found


def _words(given: Json) -> list[Part]:
    """A text, several, contents, or an object with one of them."""
    if isinstance(given, str):
        return texts(given)
    if isinstance(given, dict):
        if "parts" in given:
            return gemini_parts(given)
        nested = next((given[name] for name in ("text", "texts", "prompt", "value") if given.get(name)), None)
        return _words(nested) if isinstance(nested, str | list) else []
    return [part for one in items(given) for part in _one(one)]


def _one(one: Json) -> list[Part]:
    """One of several inputs. Numbers are tokens, which say nothing here."""
    if isinstance(one, str):
        return texts(one)
    if at(one, "type") is not None:
        return content_parts([one])
    if (content := at(one, "content")) is not None:  # Cohere's inputs: {"content": [...]}
        return content_parts(content)
    return [text(words)] if (words := string(at(one, "text"))) else []


def _image_in(image: Json) -> list[Part]:
    """Base64, an address, or an object with one of them."""
    if isinstance(image, str):
        return [uri("image", image) if image.startswith(_ADDRESSES) else blob("image", None, image)] if image else []
    content = string(at(image, "bytesBase64Encoded")) or string(at(image, "source", "bytes"))
    address = string(at(image, "gcsUri")) or string(at(image, "url")) or string(at(image, "image_url"))
    if content:
        return [blob("image", at(image, "mimeType"), content)]
    return [uri("image", address)] if address else []


def _uploaded(given: Json) -> Part:
    return blob(at(given, "modality"), at(given, "mime_type"), at(given, "content"), name=at(given, "name"))


def _images(body: Json) -> list[Part]:
    told = [*items(at(body, "data")), *items(at(body, "predictions")), *items(at(body, "artifacts"))]
    told += items(at(body, "output", "results"))  # DashScope
    found = [part for one in told for part in _made(one)]
    return [*found, *(blob("image", None, image) for image in items(at(body, "images")) if string(image))]


def _made(one: Json) -> list[Part]:
    content = string(at(one, "b64_json")) or string(at(one, "bytesBase64Encoded")) or string(at(one, "base64"))
    mime_type = at(one, "mimeType") or ((kind := string(at(one, "output_format"))) and f"image/{kind}")
    words = string(at(one, "revised_prompt"))
    if content:
        return [blob("image", mime_type, content, revised_prompt=words)]
    if sound := string(at(one, "audioContent")):
        return [blob("audio", mime_type or "audio/wav", sound)]
    address = string(at(one, "url")) or string(at(one, "gcsUri"))
    return [uri("image", address, revised_prompt=words)] if address else []


def _sounds(body: Json) -> list[Part]:
    """MiniMax writes its bytes in hexadecimal digits, in `data.audio`."""
    found = [blob("audio", None, sound) for name in _SOUND if (sound := string(at(body, name)))]
    hexadecimal = string(at(body, "data", "audio"))
    return [*found, *([_of_hexadecimal(hexadecimal)] if hexadecimal else [])]


def _of_hexadecimal(digits: str) -> Part:
    try:
        return blob("audio", None, base64.b64encode(bytes.fromhex(digits)).decode())
    except ValueError:
        return uri("audio", digits)  # an address, where the request asks for one


def _transcript(body: Json) -> str | None:
    """JSON, or the text itself (`response_format`: text, srt, vtt)."""
    if isinstance(body, str):
        return body
    return string(at(body, "text")) or string(at(body, "result", "text"))  # the latter of Cloudflare


DIALECT: Final = Dialect(prompt=prompt, answer=read_answer, assemble=assemble)
