"""How streams end, for every operation that has one: an error ends it, and a stream that was cut is not a whole one."""

from typing import Final

import pytest

from addon.metering.reading import read_answer
from addon.metering.terminal import answer_framing, is_finished, terminal_scanner
from addon.providers import (
    anthropic,
    bedrock,
    bedrock_sonic,
    cohere,
    dashscope,
    gemini,
    gemini_interactions,
    llama,
    local_generate,
    local_servers,
    minimax,
    mistral,
    ollama,
    openai_audio,
    openai_images,
    openai_responses,
    openai_shaped,
    openrouter,
    perplexity,
    registry,
    reka,
    vercel_sdk,
    watsonx,
)
from addon.providers import (
    shapes as unknown_targets,
)
from addon.providers.framing.model import BYTES_END, Terminal
from addon.providers.model import Operation
from tests.providers import stream_shapes as shapes
from tests.providers.stream_shapes import Shape

SHAPES: Final[dict[Terminal | None, tuple[Shape, ...]]] = {
    openai_shaped.DONE: (shapes.OPENAI,),
    openai_responses.TERMINAL: (shapes.RESPONSES,),
    openai_images.TERMINAL: (shapes.IMAGES,),
    openai_audio.SPEECH_TERMINAL: (shapes.SPEECH,),
    openai_audio.TRANSCRIPT_TERMINAL: (shapes.TRANSCRIPT,),
    anthropic.TERMINAL: (shapes.ANTHROPIC,),
    anthropic.COMPLETION_END: (shapes.COMPLETION,),
    gemini.TERMINAL: (shapes.GEMINI_SSE, shapes.GEMINI_ARRAY, shapes.GEMINI_LINE),
    gemini_interactions.TERMINAL: (shapes.INTERACTION,),
    bedrock.CONVERSE_TERMINAL: (shapes.CONVERSE,),
    bedrock.INVOKE_TERMINAL: (shapes.INVOKE,),
    bedrock_sonic.SESSION_END: (shapes.SONIC,),
    cohere.CHAT_END: (shapes.COHERE, shapes.COHERE_V1),
    mistral.CONVERSATION_END: (shapes.CONVERSATION,),
    mistral.TRANSCRIPTION_END: (shapes.MISTRAL_TRANSCRIPT,),
    mistral.SPEECH_END: (shapes.MISTRAL_SPEECH,),
    vercel_sdk.TERMINAL: (shapes.VERCEL_SDK,),
    local_servers.GENERATED: (shapes.TGI,),
    local_generate.END: (shapes.TGI, shapes.SGLANG),
    local_servers.STOP: (shapes.LLAMACPP,),
    local_servers.CHAT_END: (shapes.LMSTUDIO,),
    llama.TERMINAL: (shapes.LLAMA,),
    dashscope.TERMINAL: (shapes.DASHSCOPE,),
    minimax.CHAT_END: (shapes.OPENAI, shapes.MINIMAX),
    reka.CHAT_END: (shapes.REKA,),
    perplexity.CHAT_END: (shapes.OPENAI, shapes.PERPLEXITY),
    openrouter.CHAT_END: (shapes.OPENAI, shapes.OPENROUTER),
    minimax.SPEECH_END: (shapes.MINIMAX_SPEECH,),
    ollama.TERMINAL: (shapes.OLLAMA,),
    watsonx.TERMINAL: (shapes.WATSONX,),
}
# Where the terminal event alone does not tell: by the reader's module.
READERS: Final[dict[tuple[str, Terminal], Shape]] = {
    ("cloudflare", openai_shaped.DONE): shapes.CLOUDFLARE,
    ("local_servers", openai_shaped.DONE): shapes.SGLANG,
    ("local_servers", BYTES_END): shapes.KOBOLDCPP,
    ("writer", openai_shaped.DONE): shapes.WRITER,
    ("openai_shaped", BYTES_END): shapes.OPENAI_WITHOUT_DONE,
    ("grpc_calls", BYTES_END): shapes.GRPC,
    ("bedrock_agents", BYTES_END): shapes.AGENT,
    ("deepinfra", BYTES_END): shapes.DEEPINFRA,
    ("openai_agents", BYTES_END): shapes.OPENAI_AGENT,
    ("anthropic_sessions", BYTES_END): shapes.ANTHROPIC_AGENT,
    ("openai_runs", openai_shaped.DONE): shapes.OPENAI_RUN,
}


def _shapes(operation: Operation) -> tuple[Shape, ...]:
    assert operation.terminal and operation.read_stream, f"{operation.path} has a stream without a Terminal"
    own = READERS.get((operation.read_stream.__module__.rpartition(".")[2], operation.terminal))
    return (own,) if own else SHAPES[operation.terminal]


# All operations with a live stream. A WebSocket's protocol tells the ends of its calls (test_sockets.py).
TRIED: Final = [
    pytest.param(operation, shape, id=f"{provider.name}-{operation.name}-{number}")
    for provider in (*registry.PROVIDERS, unknown_targets.unknown("rack"))
    for operation in provider.operations
    if operation.read_stream and not operation.socket and not operation.json_framing.is_file
    for number, shape in enumerate(_shapes(operation))
]


def _sees_end(operation: Operation, shape: Shape, stream: bytes, step: int) -> bool:
    scanner = terminal_scanner(operation, shape.content_type, None)
    assert scanner, "the proxy looks for the end"
    return any([scanner.feed(stream[start : start + step]) for start in range(0, len(stream), step)])


@pytest.mark.parametrize(("operation", "shape"), TRIED)
def test_an_error_in_the_middle_of_a_stream_ends_it_and_names_itself(operation: Operation, shape: Shape) -> None:
    for error, error_type in shape.errors:
        stream = b"".join(shape.begins) + error
        for step in (1, 7, len(stream)):
            assert _sees_end(operation, shape, stream, step), (error, step)
        framing = answer_framing(operation, shape.content_type)
        assert is_finished(operation, framing, stream)
        assert read_answer(operation, stream, framing).error_type == error_type


@pytest.mark.parametrize(("operation", "shape"), TRIED)
def test_a_stream_without_its_end_is_not_taken_for_a_whole_one(operation: Operation, shape: Shape) -> None:
    framing = answer_framing(operation, shape.content_type)
    stream = b"".join(shape.begins)
    for step in (1, 7, len(stream)):
        assert not _sees_end(operation, shape, stream, step)
    assert is_finished(operation, framing, stream) is shape.ends_with_bytes
    assert read_answer(operation, stream, framing).error_type is None
    if not shape.ends_with_bytes:
        assert is_finished(operation, framing, stream + shape.end)
        assert _sees_end(operation, shape, stream + shape.end, 1)
    assert read_answer(operation, stream + shape.end, framing).error_type is None


@pytest.mark.parametrize(("operation", "shape"), TRIED)
def test_the_end_is_seen_after_pieces_that_each_are_whole(operation: Operation, shape: Shape) -> None:
    """A piece that begins like the one before it is not looked through again."""
    begins = [*shape.begins, *shape.begins]
    for end in [error for error, _ in shape.errors] + ([] if shape.ends_with_bytes else [shape.end]):
        scanner = terminal_scanner(operation, shape.content_type, None)
        assert scanner
        assert not any([scanner.feed(piece) for piece in begins])
        assert scanner.feed(end), end


def test_no_line_that_ends_a_stream_is_told_behind_its_first_string() -> None:
    """What a scanner remembers of a line's beginning would hide it: see `lines._beginning`."""
    starts = {
        operation.terminal.line_start
        for provider in registry.PROVIDERS
        for operation in provider.operations
        if operation.terminal
    }
    for start in starts - {None}:
        assert start
        assert b"," not in start and b"[^" not in start
        assert b"." not in start.replace(rb"\.", b"")
