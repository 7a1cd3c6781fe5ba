"""Which reader the bodies of a call have: by the name of its operation and the end of its path, for any provider.

A new operation with words in it needs a line here where neither fits; tests/conversations checks that every operation of
the registry has a reader, or is known to say nothing.
"""

import re
from typing import Final

from addon.conversations import (
    ai_sdk,
    anthropic,
    anthropic_sessions,
    bedrock,
    bedrock_agents,
    cohere,
    completions,
    dashscope,
    gemini,
    gemini_interactions,
    llama,
    lmstudio,
    media,
    mistral_conversations,
    nova_sonic,
    ocr,
    ollama,
    openai_agents,
    openai_chat,
    openai_live,
    openai_realtime,
    openai_responses,
    openai_runs,
    openai_translations,
    search,
    writer,
)
from addon.conversations.model import Dialect
from addon.providers.fields import at, items, string
from addon.providers.model import Json

# These operations have no conversation: their answers are counts, scores, files and jobs.
SILENT: Final = frozenset(
    {
        *("count_tokens", "batch_results", "guardrail", "rerank", "classify", "summarize", "update_cache"),
        *("score", "pooling", "storage_search", "eval_run"),
    }
)
_BY_NAME: Final = {
    "responses": openai_responses.DIALECT,
    "compact": openai_responses.DIALECT,
    "retrieve_response": openai_responses.DIALECT,
    "prewarm": openai_responses.DIALECT,
    **dict.fromkeys(
        (
            *("invoke_agent", "invoke_workflow", "retrieve_and_generate", "retrieval"),
            *("generate_query", "optimize_prompt"),
        ),
        bedrock_agents.DIALECT,
    ),
    "text_completion": completions.DIALECT,
    **dict.fromkeys(("interactions", "retrieve_interaction", "cancel_interaction"), gemini_interactions.DIALECT),
    "conversations": mistral_conversations.DIALECT,
    "realtime": openai_realtime.DIALECT,
    "live": openai_live.DIALECT,
    "create_cache": gemini.DIALECT,
    "assistant_run": openai_runs.DIALECT,
    "agent_session": anthropic_sessions.DIALECT,
    "web_search": search.DIALECT,
    **dict.fromkeys(("ocr", "document_parsing", "web_reader"), ocr.DIALECT),
    **dict.fromkeys(
        (
            *("embeddings", "moderation", "speech", "transcription", "translation", "video_generation"),
            *("image_generation", "image_edit", "image_variation", "music_generation"),
        ),
        media.DIALECT,
    ),
}
_BY_PATH: Final = (
    (re.compile(r".*/invoke-with-bidirectional-stream"), nova_sonic.DIALECT),
    (re.compile(r".*/realtime/translations/?"), openai_translations.DIALECT),
    (re.compile(r".*/agents/sessions(?:/[^/]+/events)?/?"), openai_agents.DIALECT),
    (re.compile(r"/v1/(?:graphs/question|tools/web-search|vision|translation)/?"), writer.DIALECT),
    (re.compile(r".*/audio/transcriptions/realtime/?"), media.DIALECT),
    (re.compile(r".*/realtime/?"), openai_realtime.DIALECT),
    (re.compile(r".*\.BidiGenerateContent\w*|.*/BidiGenerateContent\w*"), gemini.LIVE),
    (re.compile(r".*/chat/completions(?:/[^/]+)?/?|.*/sonar(?:/[^/]+)?/?"), openai_chat.DIALECT),
    (re.compile(r"/xai_api\.Chat/.*"), openai_chat.DIALECT),
    (re.compile(r"/google\..*/(?:Stream)?GenerateContent"), gemini.DIALECT),
    (re.compile(r".*/v1/messages/?"), anthropic.DIALECT),
    (re.compile(r".*:(?:generateContent|streamGenerateContent)"), gemini.DIALECT),
    (re.compile(r".*/converse(?:-stream)?"), bedrock.DIALECT),
    (re.compile(r"/v\d+/ai/language-model/?"), ai_sdk.DIALECT),
    (re.compile(r"/v[12]/chat/?"), cohere.DIALECT),
    (re.compile(r"/api/(?:chat|generate)/?"), ollama.DIALECT),
    (re.compile(r"/api/v1/chat/?"), lmstudio.DIALECT),
    (re.compile(r"/api/v1/services/aigc/(?:text|multimodal)-generation/generation/?"), dashscope.DIALECT),
    (re.compile(r"/api/v1/apps/[^/]+/completion/?"), dashscope.DIALECT),
)
_CONVERSE_EVENTS: Final = frozenset({"messageStart", "contentBlockStart", "contentBlockDelta", "messageStop"})
_PROMPTS: Final = ("prompt", "inputText", "inputPrompt", "inputs", "text", "input")
_MADE: Final = ("images", "artifacts", "predictions", "embeddings", "embedding")


def dialect_of(operation_name: str, path: str, request: Json, answer: Json) -> Dialect | None:
    """The reader; None: nothing is said, or nobody knows how. `answer`: its body, or the first event of its stream."""
    if operation_name in SILENT:
        return None
    by_path = next((dialect for pattern, dialect in _BY_PATH if pattern.fullmatch(path)), None)
    if by_path is openai_chat.DIALECT and llama.is_answer(answer):
        return llama.DIALECT
    if by_path is cohere.DIALECT and at(answer, "choices") is not None:  # Writer's chat has the path of Cohere's
        return openai_chat.DIALECT
    if by_path is cohere.DIALECT and at(answer, "responses") is not None:  # and Reka's
        return completions.DIALECT
    return by_path or _BY_NAME.get(operation_name) or by_shape(request, answer)


def by_shape(request: Json, answer: Json) -> Dialect | None:
    """The reader of bodies whose path does not tell: models of every family behind one path (Bedrock, Vertex,
    Cloudflare), and calls that were logged without a path."""
    if isinstance(at(request, "messages"), list):
        return _of_messages(request, answer)
    if at(request, "contents") is not None or at(answer, "candidates") is not None:
        return gemini.DIALECT
    if at(request, "chat_history") is not None or string(at(request, "message")):
        return cohere.DIALECT
    if at(answer, "object") == "response" or (string(at(answer, "type")) or "").startswith("response."):
        return openai_responses.DIALECT
    if at(request, "taskType") is not None or any(at(answer, name) is not None for name in _MADE):
        return media.DIALECT
    if request is None:
        return _of_messages(request, answer) if _is_answer(answer) else None
    if at(request, "audio") is not None and not any(at(request, name) for name in _PROMPTS):
        return media.DIALECT  # Cloudflare's transcripts
    return completions.DIALECT if any(at(request, name) for name in _PROMPTS) else None


def _of_messages(request: Json, answer: Json) -> Dialect:
    """Five APIs have a list of messages in their requests; Cloudflare's answers it with one text, or with calls alone."""
    kind = at(answer, "type")
    if at(request, "anthropic_version") is not None or kind in ("message", "message_start"):
        return anthropic.DIALECT
    if _is_converse(request, answer):
        return bedrock.DIALECT
    if at(answer, "done") is not None and at(answer, "message") is not None:
        return ollama.DIALECT
    told = at(answer, "result") if isinstance(at(answer, "result"), dict) else answer
    if isinstance(told, dict) and "response" in told and "choices" not in told:
        return completions.DIALECT
    return openai_chat.DIALECT


def _is_converse(request: Json, answer: Json) -> bool:
    """Content blocks of Converse have no type."""
    block = next((at(told, "content", 0) for told in items(at(request, "messages"))), None)
    if isinstance(block, dict) and "type" not in block and not block.keys().isdisjoint(("text", "image", "document")):
        return True
    is_event = isinstance(answer, dict) and not answer.keys().isdisjoint(_CONVERSE_EVENTS)
    return at(answer, "output", "message") is not None or is_event


def _is_answer(answer: Json) -> bool:
    return any(at(answer, *keys) is not None for keys in (("choices",), ("content",), ("output", "message")))
