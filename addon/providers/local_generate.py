"""Text made by servers of which only the answer tells what they are: at a name of the user's own `/generate` may be TGI's,
LoRAX's, SGLang's, LMDeploy's, KoboldCpp's or Triton's.
"""

from collections.abc import Callable
from typing import Final

from addon.providers import local_servers
from addon.providers.fields import at, error_type, items, members, stream_failure, string
from addon.providers.framing.model import BYTES_END
from addon.providers.local_servers import CHAT_END, GENERATED, LMSTUDIO, TGI, native
from addon.providers.model import Json, Operation, Reading, Terminal, Usage
from addon.providers.openai_shaped import DONE

KOBOLDCPP: Final = "https://lite.koboldai.net/koboldcpp_api"
TRITON: Final = "https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_generate.md"


def read_generated(chunks: list[Json]) -> Reading:
    parts = [part for chunk in chunks for part in (items(chunk) or [chunk])]
    if any(at(part, "meta_info") is not None for part in parts):
        return local_servers.read_sglang(chunks)
    if any(items(at(part, "results")) for part in parts):
        return read_koboldcpp(parts)
    if any(isinstance(at(part, "text_output"), str) for part in parts):
        return read_triton(parts)
    return local_servers.read_tgi(chunks)


def read_koboldcpp(chunks: list[Json]) -> Reading:
    """`{results: [{text, finish_reason, prompt_tokens, completion_tokens}]}`; a stream has `{token, finish_reason}` and no counts.
    Aphrodite's copy of it has the words alone: aphrodite/entrypoints/openai/kobold/serving.py of 0.24.1"""
    results = [result for chunk in chunks for result in items(at(chunk, "results"))]
    tokens = "".join(string(at(chunk, "token")) or "" for chunk in chunks)
    usage = Usage(
        input_tokens=local_servers.total(results, "prompt_tokens"),
        output_tokens=local_servers.total(results, "completion_tokens"),
    )
    names = ("prompt_tokens", "completion_tokens")
    raw = [members(result, names) for result in results]
    return Reading(
        finish_reasons=tuple(
            reason for part in (*results, *chunks) if (reason := string(at(part, "finish_reason"))) and reason != "null"
        ),
        usage=local_servers.stated(usage),
        usage_raw=(raw[0] if len(raw) == 1 else raw) or None,
        text="\n".join(string(at(result, "text")) or "" for result in results) or tokens or None,
        error_type=stream_failure(chunks) or next((kind for chunk in chunks if (kind := error_type(chunk))), None),
    )


def read_triton(chunks: list[Json]) -> Reading:
    """`{model_name, text_output}`, in a stream a piece each: what it counts depends on the model that it serves."""
    return Reading(
        response_model=next((model for chunk in chunks if (model := string(at(chunk, "model_name")))), None),
        text="".join(string(at(chunk, "text_output")) or "" for chunk in chunks) or None,
        error_type=stream_failure(chunks),
    )


def _native(path: str, read: Callable[[list[Json]], Reading], terminal: Terminal, source: str) -> Operation:
    return native("text_completion", path, read, terminal, source)


END: Final = Terminal(line_start=DONE.line_start, anywhere=GENERATED.anywhere)

# LM Studio's path begins at its root: below another one it may be Cohere's.
LMSTUDIOS_CHAT: Final = native("chat", "/api/v1/chat", local_servers.read_lmstudio, CHAT_END, LMSTUDIO)
# Near the root: SAP has another API at a `/completion` that is deeper.
LLAMACPPS: Final = local_servers.llamacpps("(?:/[^/]+){0,2}?/(?:completion|infill)")
# Below any path.
OPERATIONS: Final = (
    _native("/v2/models/(?P<model>[^/]+)(?:/versions/[^/]+)?/generate(?:_stream)?", read_triton, BYTES_END, TRITON),
    _native("/api/extra/generate/stream", read_koboldcpp, BYTES_END, KOBOLDCPP),
    _native("/generate(?:_stream)?", read_generated, END, TGI),
    local_servers.VERTEX_GENERATE,
)
