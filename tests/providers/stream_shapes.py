"""The streams of all APIs that the providers know: some words, the end, and the errors that may come instead."""

import base64
import json
from dataclasses import dataclass, replace
from typing import Any, Final

from addon.providers.framing import aws_event_stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A stream as an API sends it: some words, then either `end` or an error. `ends_with_bytes`: it has no last event."""

    content_type: str
    begins: tuple[bytes, ...]
    end: bytes
    errors: tuple[tuple[bytes, str], ...]  # each with the error type that its row gets
    ends_with_bytes: bool = False


def sse(*events: Any, name: str | None = None) -> bytes:
    start = f"event: {name}\n" if name else ""
    return b"".join(
        f"{start}data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode() for data in events
    )


def frame(name: str, payload: Any, kind: str = "event") -> bytes:
    headers = {":message-type": kind, f":{kind}-{'code' if kind == 'error' else 'type'}": name}
    return aws_event_stream.encode(headers, json.dumps(payload).encode())


def chunk(event: Any) -> bytes:
    """A model's own event in InvokeModelWithResponseStream."""
    return frame("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()})


SSE_TYPE: Final = "text/event-stream; charset=utf-8"
AWS_TYPE: Final = "application/vnd.amazon.eventstream"
FAILED: Final = {"error": {"message": "Overloaded", "type": "server_error", "code": "503"}}
# Named by its first member (openai/_streaming.py) or by the event (groq/_streaming.py); older vLLM and llama.cpp; in words.
OPENAI_ERRORS: Final = (
    (sse(FAILED), "server_error"),
    (sse(FAILED, name="error"), "server_error"),
    (sse({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}), "BadRequestError"),
    (b'error: {"code":500,"message":"slot lost","type":"server_error"}\n\n', "server_error"),
    (sse({"error": "Overloaded"}), "error"),
)
SAID: Final = {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {}}]}
ANTHROPICS: Final = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
GOOGLES: Final = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
PART: Final = {"candidates": [{"content": {"parts": [{"text": "Hel"}], "role": "model"}, "index": 0}]}
LAST_PART: Final = {"candidates": [{"content": {"parts": [{"text": "lo"}]}, "finishReason": "STOP", "index": 0}]}
AWS_ERRORS: Final = (
    (frame("modelStreamErrorException", {"message": "lost"}, "exception"), "modelStreamErrorException"),
    (frame("internalServerException", {"message": "lost"}, "exception"), "internalServerException"),
    (frame("InternalServerError", {}, "error"), "InternalServerError"),
)

OPENAI: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse(SAID | {"choices": [{"index": 0, "delta": {"content": "Hel"}}]}),),
    end=sse("[DONE]"),
    errors=OPENAI_ERRORS,
)
# Perplexity's newer mode: https://docs.perplexity.ai/guides/stream-mode-guide
PERPLEXITY: Final = Shape(
    content_type=SSE_TYPE,
    begins=OPENAI.begins,
    end=sse({"object": "chat.completion.done", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    errors=OPENAI_ERRORS,
)
# Snowflake and watsonx
OPENAI_WITHOUT_DONE: Final = Shape(
    content_type=SSE_TYPE, begins=OPENAI.begins, end=b"", errors=OPENAI_ERRORS, ends_with_bytes=True
)
WATSONX: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"results": [{"generated_text": "Hel", "stop_reason": "not_finished"}]}, name="message"),),
    end=sse({"results": [{"generated_text": "lo", "stop_reason": "max_tokens"}]}, name="message"),
    errors=((sse({"errors": [{"code": "internal_error", "message": "lost"}]}, name="error"), "internal_error"),),
)
RESPONSES: Final = Shape(
    content_type=SSE_TYPE,
    begins=(
        sse({"type": "response.created", "response": {"id": "r1", "model": "m"}}, name="response.created"),
        sse({"type": "response.output_text.delta", "delta": "Hel"}, name="response.output_text.delta"),
    ),
    end=sse({"type": "response.completed", "response": {"status": "completed"}}, name="response.completed"),
    errors=(
        (sse({"type": "error", "code": "server_error", "message": "lost", "sequence_number": 3}), "server_error"),
        (sse({"type": "error", "error": {"type": "server_error", "message": "lost"}}, name="error"), "server_error"),
        (sse(FAILED), "server_error"),
        (
            sse(
                {"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded"}}}
            ),
            "rate_limit_exceeded",
        ),
    ),
)
MEDIA_ERRORS: Final = (
    (sse({"type": "error", **FAILED}, name="error"), "server_error"),
    (sse(FAILED), "server_error"),
)
IMAGES: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "image_generation.partial_image", "b64_json": "AA=="}),),
    end=sse({"type": "image_generation.completed", "b64_json": "AA=="}, name="image_generation.completed"),
    errors=MEDIA_ERRORS,
)
SPEECH: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "speech.audio.delta", "audio": "AA=="}),),
    end=sse({"type": "speech.audio.done", "usage": {"input_tokens": 4, "output_tokens": 9}}),
    errors=MEDIA_ERRORS,
)
TRANSCRIPT: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "transcript.text.delta", "delta": "Hel"}),),
    end=sse({"type": "transcript.text.done", "text": "Hello"}),
    errors=MEDIA_ERRORS,
)
ANTHROPIC: Final = Shape(
    content_type=SSE_TYPE,
    begins=(
        sse({"type": "message_start", "message": {"id": "msg_1", "model": "claude"}}, name="message_start"),
        sse({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}}),
    ),
    end=sse({"type": "message_stop"}, name="message_stop"),
    errors=(
        (sse(ANTHROPICS, name="error"), "overloaded_error"),
        (sse(ANTHROPICS), "overloaded_error"),
        (sse({"error": {"type": "overloaded_error", "message": "Overloaded"}}), "overloaded_error"),
    ),
)
# The last event of a legacy completion has its reason to stop.
COMPLETION: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "completion", "completion": "Hel", "stop_reason": None, "model": "claude-2"}),),
    end=sse({"type": "completion", "completion": "", "stop_reason": "stop_sequence", "model": "claude-2"}),
    errors=((sse(ANTHROPICS, name="error"), "overloaded_error"), (sse(ANTHROPICS), "overloaded_error")),
)
GEMINI_SSE: Final = Shape(
    content_type=SSE_TYPE, begins=(sse(PART),), end=sse(LAST_PART), errors=((sse(GOOGLES), "UNAVAILABLE"),)
)
# As Google sends it, by lines; and in one line.
GEMINI_ARRAY: Final = Shape(
    content_type="application/json; charset=UTF-8",
    begins=(b"[" + json.dumps(PART, indent=2).encode() + b"\n",),
    end=b",\r\n" + json.dumps(LAST_PART, indent=2).encode() + b"\n]",
    errors=(
        (b",\r\n" + json.dumps(GOOGLES, indent=2).encode() + b"\n]", "UNAVAILABLE"),
        (b",\n" + json.dumps(GOOGLES).encode() + b"]", "UNAVAILABLE"),
    ),
)
GEMINI_LINE: Final = Shape(
    content_type="application/json",
    begins=(b"[" + json.dumps(PART).encode(),),
    end=b"," + json.dumps(LAST_PART).encode() + b"]",
    errors=(
        (b"," + json.dumps(GOOGLES).encode() + b"]", "UNAVAILABLE"),
        (b", " + json.dumps(GOOGLES).encode(), "UNAVAILABLE"),
    ),
)
# google-genai 3.4, _gaos/types/interactions/errorevent.py
INTERACTION: Final = Shape(
    content_type=SSE_TYPE,
    begins=(
        sse({"event_type": "interaction.created", "interaction": {"id": "i1"}}, name="interaction.created"),
        sse({"event_type": "step.delta", "delta": {"type": "text", "text": "Hel"}}, name="step.delta"),
    ),
    end=sse({"event_type": "interaction.completed", "interaction": {"id": "i1", "status": "completed"}}),
    errors=(
        (sse({"event_type": "error", "error": {"code": "internal", "message": "lost"}}, name="error"), "internal"),
        (sse({"event_type": "error", "error": {"code": "internal", "message": "lost"}}), "internal"),
    ),
)
CONVERSE: Final = Shape(
    content_type=AWS_TYPE,
    begins=(
        frame("messageStart", {"role": "assistant"}),
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}}),
    ),
    end=frame("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2}}),
    errors=AWS_ERRORS,
)
INVOKE: Final = Shape(
    content_type=AWS_TYPE,
    begins=(chunk({"generation": "Hel"}),),
    end=chunk({"generation": "lo", "stop_reason": "stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}}),
    errors=AWS_ERRORS,
)
SONIC: Final = Shape(
    content_type=AWS_TYPE,
    begins=(chunk({"event": {"audioOutput": {"content": "AAAA"}}}),),
    end=b"",
    errors=AWS_ERRORS,
    ends_with_bytes=True,
)
AGENT: Final = Shape(
    content_type=AWS_TYPE,
    begins=(frame("chunk", {"bytes": base64.b64encode(b"Hel").decode()}),),
    end=b"",
    errors=(*AWS_ERRORS[1:], (frame("dependencyFailedException", {}, "exception"), "dependencyFailedException")),
    ends_with_bytes=True,
)
# cohere 7.3, types: ChatMessageEndEventDelta, ChatStreamEndEvent, GenerateStreamError
COHERE: Final = Shape(
    content_type=SSE_TYPE,
    begins=(
        sse({"type": "message-start", "id": "m1"}, name="message-start"),
        sse({"type": "content-delta", "delta": {"message": {"content": {"text": "Hel"}}}}, name="content-delta"),
    ),
    end=sse({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}, name="message-end"),
    errors=(
        (
            sse({"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "lost"}}, name="message-end"),
            "ERROR",
        ),
        (sse({"type": "message-end", "delta": {"finish_reason": "TIMEOUT"}}), "TIMEOUT"),
        (sse({"type": "message-end", "delta": {"error": "lost"}}), "error"),
        (sse({"message": "internal error"}, name="error"), "error"),
    ),
)
COHERE_V1: Final = Shape(
    content_type="application/stream+json",
    begins=(b'{"is_finished":false,"event_type":"text-generation","text":"Hel"}\n',),
    end=b'{"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","response":{"text":"Hello"}}\n',
    errors=(
        (b'{"is_finished":true,"event_type":"stream-end","finish_reason":"ERROR","response":{}}\n', "ERROR"),
        (b'{"is_finished":true,"event_type":"stream-error","finish_reason":"ERROR","err":"lost"}\n', "ERROR"),
        (b'{"event_type":"stream-error","is_finished":true,"err":"lost"}\n', "error"),
    ),
)
# mistralai 3.7, client/models: ResponseErrorEvent; the others have no event of their own for an error.
CONVERSATION: Final = Shape(
    content_type=SSE_TYPE,
    begins=(
        sse({"type": "conversation.response.started", "conversation_id": "c1"}, name="conversation.response.started"),
        sse({"type": "message.output.delta", "content": "Hel", "model": "m"}, name="message.output.delta"),
    ),
    end=sse({"type": "conversation.response.done", "usage": {}}, name="conversation.response.done"),
    errors=(
        (
            sse(
                {"type": "conversation.response.error", "message": "x", "code": 3230},
                name="conversation.response.error",
            ),
            "3230",
        ),
        (sse({"type": "conversation.response.error", "message": "x", "code": 3230}), "3230"),
        (sse(FAILED, name="error"), "server_error"),
    ),
)
MISTRAL_TRANSCRIPT: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "transcription.text.delta", "text": "Hel"}, name="transcription.text.delta"),),
    end=sse({"type": "transcription.done", "text": "Hello", "model": "m"}, name="transcription.done"),
    errors=OPENAI_ERRORS[:2],
)
MISTRAL_SPEECH: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "speech.audio.delta", "audio_data": "AA=="}, name="speech.audio.delta"),),
    end=sse({"type": "speech.audio.done", "usage": {}}, name="speech.audio.done"),
    errors=OPENAI_ERRORS[:2],
)
DEEPINFRA: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"token": {"id": 1, "text": "Hel"}, "details": None}),),
    end=b"",
    errors=OPENAI_ERRORS[:2],
    ends_with_bytes=True,
)
# @ai-sdk/provider: LanguageModelV3StreamPart
VERCEL_SDK: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "text-delta", "id": "0", "delta": "Hel"}),),
    end=sse({"type": "finish", "finishReason": "stop", "usage": {}}),
    errors=((sse({"type": "error", "error": {"type": "rate_limit_exceeded"}}), "rate_limit_exceeded"),),
)
TGI: Final = Shape(
    content_type=SSE_TYPE,
    begins=(b'data:{"index":1,"token":{"id":1,"text":"Hel"},"generated_text":null,"details":null}\n\n',),
    end=b'data:{"index":2,"token":{"id":2,"text":"lo"},"generated_text":"Hello","details":null}\n\n',
    errors=(
        (b'data:{"error":"Model is overloaded","error_type":"overloaded"}\n\n', "overloaded"),
        (b'event:error\ndata:{"error":"Model is overloaded","error_type":"overloaded"}\n\n', "overloaded"),
    ),
)
LLAMA: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"id": "l1", "event": {"event_type": "progress", "delta": {"type": "text", "text": "Hel"}}}),),
    end=sse({"id": "l1", "event": {"event_type": "metrics", "delta": {"type": "text", "text": ""}, "metrics": []}}),
    errors=((sse(FAILED), "server_error"),),
)
# https://platform.minimax.io/docs/api-reference/errorcode
OPENROUTER: Final = replace(
    OPENAI,
    errors=(
        (
            sse(
                {
                    **SAID,
                    "error": {"code": 502, "message": "lost", "metadata": {"error_type": "provider_unavailable"}},
                    "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
                }
            ),
            "provider_unavailable",
        ),
    ),
)
MINIMAX: Final = replace(
    OPENAI, errors=((sse({"id": "c1", "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}), "1002"),)
)
MINIMAX_SPEECH: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"data": {"audio": "00", "status": 1}, "trace_id": "t"}),),
    end=b"",
    errors=((sse({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}), "1008"),),
    ends_with_bytes=True,
)
# https://www.alibabacloud.com/help/en/model-studio/error-code
# xai_api.GetChatCompletionChunk: outputs (2), delta (1), content (1).
GRPC: Final = Shape(
    content_type="application/grpc",
    begins=(b"\0\0\0\0\x09\x12\x07\x0a\x05\x0a\x03Hel",),
    end=b"\0\0\0\0\x08\x12\x06\x0a\x04\x0a\x02lo",
    errors=(),
    ends_with_bytes=True,
)
REKA: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"id": "r1", "responses": [{"message": {"content": "Hel"}, "finish_reason": None}]}, name="message"),),
    end=sse({"id": "r1", "responses": [{"message": {"content": "Hello"}, "finish_reason": "stop"}]}, name="message"),
    errors=((sse(FAILED, name="error"), "server_error"),),
)
WRITER: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"value": "Hel"}),),
    end=sse("[DONE]"),
    errors=OPENAI_ERRORS[:2],
)
DASHSCOPE: Final = Shape(
    content_type=SSE_TYPE,
    begins=(b'id:1\nevent:result\n:HTTP_STATUS/200\ndata:{"output":{"finish_reason":"null","text":"Hel"}}\n\n',),
    end=b'id:2\nevent:result\n:HTTP_STATUS/200\ndata:{"output":{"finish_reason":"stop","text":"Hello"}}\n\n',
    errors=(
        (b'id:2\nevent:error\n:HTTP_STATUS/429\ndata:{"code":"Throttling","message":"too many"}\n\n', "Throttling"),
    ),
)
CLOUDFLARE: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"response": "Hel"}),),
    end=sse("[DONE]"),
    errors=(
        *OPENAI_ERRORS[:2],
        (sse({"errors": [{"code": 3040, "message": "Capacity temporarily exceeded"}], "success": False}), "3040"),
    ),
)
OLLAMA: Final = Shape(
    content_type="application/x-ndjson",
    begins=(b'{"model":"m","message":{"role":"assistant","content":"Hel"},"done":false}\n',),
    end=b'{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n',
    errors=((b'{"error":"an error was encountered while running the model"}\n', "error"),),
)
SGLANG: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"text": "Hel", "meta_info": {"id": "s1", "completion_tokens": 1}}),),
    end=sse("[DONE]"),
    errors=((sse({"error": {"message": "lost"}}), "error"),),
)
# https://lite.koboldai.net/koboldcpp_api
KOBOLDCPP: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"token": "Hel", "finish_reason": None}, name="message"),),
    end=b"",
    errors=((sse({"error": {"message": "lost"}}), "error"),),
    ends_with_bytes=True,
)
# https://lmstudio.ai/docs/developer/rest/streaming-events
LMSTUDIO: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "message.delta", "content": "Hel"}, name="message.delta"),),
    end=sse({"type": "chat.end", "result": {"output": []}}, name="chat.end"),
    errors=(
        (sse({"type": "error", "error": {"type": "invalid_request", "message": "x"}}, name="error"), "invalid_request"),
    ),
)
LLAMACPP: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"content": "Hel", "stop": False}),),
    end=sse({"content": "", "stop": True, "tokens_evaluated": 3, "tokens_predicted": 2}),
    errors=(
        (sse({"error": {"code": 500, "message": "slot lost", "type": "server_error"}}), "server_error"),
        (b'error: {"code":500,"message":"slot lost","type":"server_error"}\n\n', "server_error"),
    ),
)
# openai 3.54, types/beta/agent_session_event.py
OPENAI_AGENT: Final = Shape(
    content_type=SSE_TYPE,
    begins=(
        sse({"type": "agent.session.created", "session": {"id": "s1"}}, name="agent.session.created"),
        sse({"type": "agent.session.turn.output_text.delta", "turn_id": "t1", "delta": "Hel"}),
    ),
    end=b"",
    errors=OPENAI_ERRORS[:2],
    ends_with_bytes=True,
)
# anthropic 2.12, types/beta/sessions
ANTHROPIC_AGENT: Final = Shape(
    content_type=SSE_TYPE,
    begins=(sse({"type": "agent.message", "id": "e1", "content": [{"type": "text", "text": "Hel"}]}),),
    end=b"",
    errors=((sse(ANTHROPICS, name="error"), "overloaded_error"),),
    ends_with_bytes=True,
)
# openai 3.54, types/beta/assistant_stream_event.py
OPENAI_RUN: Final = Shape(
    content_type=SSE_TYPE,
    begins=(
        sse({"id": "run_1", "object": "thread.run", "status": "in_progress"}, name="thread.run.in_progress"),
        sse({"delta": {"content": [{"type": "text", "text": {"value": "Hel"}}]}}, name="thread.message.delta"),
    ),
    end=sse("[DONE]", name="done"),
    errors=OPENAI_ERRORS[:2],
)
