"""A provider that speaks WebSocket: the Responses API as Codex uses it, a realtime session, Gemini's live sessions.

What it does is told by the caller's own messages: the model `silent` never answers, `cut` breaks off in the middle, `error`
fails. Everything that arrives is kept.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.server import Server, ServerConnection, serve

WORDS = ["It ", "left ", "the ", "depot ", "today."]
USAGE = {
    "input_tokens": 120,
    "input_tokens_details": {"cached_tokens": 100},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 127,
}
REALTIME_USAGE = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 119,
        "audio_tokens": 13,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
Message = dict[str, Any]


class SocketProvider:
    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[str | bytes] = []
        self.headers: list[dict[str, str]] = []
        self._responses = 0
        self._tls = tls
        self.server: Server | None = None

    @property
    def url(self) -> str:
        assert self.server
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def handle(self, socket: ServerConnection) -> None:
        assert socket.request
        self.headers.append({name.lower(): value for name, value in socket.request.headers.raw_items()})
        path = socket.request.path.partition("?")[0]
        if path.endswith("/realtime"):
            self._realtime(socket)
        elif "BidiGenerateContent" in path:
            self._live(socket)
        elif path.endswith("/live/sessions"):
            self._session(socket)
        else:
            self._respond(socket)

    def _messages(self, socket: ServerConnection) -> Iterator[Message]:
        for message in socket:
            self.received.append(message)
            yield json.loads(message)

    def _next_id(self) -> str:
        self._responses += 1
        return f"resp_{self._responses}"

    def _respond(self, socket: ServerConnection) -> None:
        for message in self._messages(socket):
            if message["type"] != "response.create" or message["model"] == "silent":
                continue
            lane = {"stream_id": message["stream_id"]} if "stream_id" in message else {}
            if message["model"] == "error":
                error = {"type": "invalid_request_error", "code": "model_not_found", "message": "no such model"}
                send(socket, {"type": "error", "status": 400, "error": error, **lane})
                continue
            response = {"id": self._next_id(), "model": message["model"], "status": "in_progress", "output": []}
            send(socket, {"type": "response.created", "sequence_number": 0, "response": response, **lane})
            if message["model"] == "parallel" and message["stream_id"] == "first":
                continue  # its words come after the other one's
            words = [] if message.get("generate") is False else WORDS
            for word in words[:2] if message["model"] == "cut" else words:
                send(socket, {"type": "response.output_text.delta", "delta": word, **lane})
            if message["model"] == "cut":
                socket.socket.shutdown(2)
                return
            usage = None if message.get("generate") is False else USAGE
            done = {**response, "status": "completed", "usage": usage, "service_tier": "default"}
            send(socket, {"type": "response.completed", "sequence_number": 9, "response": done, **lane})

    def _realtime(self, socket: ServerConnection) -> None:
        transcription = {"model": "gpt-4o-mini-transcribe"}
        session = {"id": "sess_1", "model": "gpt-realtime", "audio": {"input": {"transcription": transcription}}}
        send(socket, {"type": "session.created", "event_id": "e0", "session": session})
        for message in self._messages(socket):
            if message["type"] == "response.create":
                self._speak(socket, "completed")
            elif message["type"] == "input_audio_buffer.commit":
                self._listen(socket)
                self._speak(socket, "completed")

    def _speak(self, socket: ServerConnection, status: str) -> None:
        response = {"id": self._next_id(), "object": "realtime.response", "status": "in_progress", "output": []}
        send(socket, {"event_id": "e1", "type": "response.created", "response": response})
        for word in WORDS:
            delta = {"response_id": response["id"], "item_id": "i", "output_index": 0, "content_index": 0}
            send(socket, {"type": "response.output_audio_transcript.delta", "event_id": "e", **delta, "delta": word})
            sound = "UklGRg" * 20_000  # more than is parsed on the event loop
            send(socket, {"type": "response.output_audio.delta", "event_id": "e", **delta, "delta": sound})
        done = {**response, "status": status, "usage": REALTIME_USAGE}
        send(socket, {"type": "response.done", "event_id": "e2", "response": done})

    def _listen(self, socket: ServerConnection) -> None:
        item = {"event_id": "e", "item_id": "item_1", "content_index": 0}
        heard = "conversation.item.input_audio_transcription"
        send(socket, {"type": f"{heard}.delta", **item, "delta": "Where is my parcel?"})
        usage = {
            **{"type": "tokens", "total_tokens": 30, "input_tokens": 20, "output_tokens": 10},
            "input_token_details": {"text_tokens": 0, "audio_tokens": 20},
        }
        send(socket, {"type": f"{heard}.completed", **item, "transcript": "Where is my parcel?", "usage": usage})

    def _session(self, socket: ServerConnection) -> None:
        """A spoken session of OpenAI's Live API, which hands one piece of work on."""
        session: Message = {}
        for message in self._messages(socket):
            if message["type"] == "session.start":
                session = {"id": "live_1", "model": message["session"]["model"], "status": "active", "expires_at": 1}
                send(socket, {"type": "session.started", "event_id": "e", "session": session})
            elif message["type"] == "session.input_audio.append":
                heard = {"delta": "Where is it?", "start_ms": 0, "end_ms": 900}
                send(socket, {"type": "session.input_transcript.delta", "event_id": "e", **heard})
                response = {"id": "resp_1", "status": "completed", "model": "gpt-6-sol", "output": [], "usage": USAGE}
                done = {"type": "response.completed", "response": response}
                send(socket, {"type": "response.event", "event_id": "e", "delegation_id": "d", "event": done})
                for word in WORDS:
                    said = {"delta": word, "start_ms": 1000, "end_ms": 1200}
                    send(socket, {"type": "session.output_transcript.delta", "event_id": "e", **said})
                    sound = "UklGRg" * 20_000
                    send(socket, {"type": "session.output_audio.delta", "event_id": "e", "audio": sound})
                send(socket, {"type": "session.usage.updated", "event_id": "e", "usage": {"seconds": 6.0}})
            elif message["type"] == "session.close":
                closed = {"reason": "close_requested", "session": session, "usage": {"seconds": 12.0}}
                send(socket, {"type": "session.closed", "event_id": "e", **closed})

    def _live(self, socket: ServerConnection) -> None:
        for message in self._messages(socket):
            if "setup" in message:
                send(socket, {"setupComplete": {}}, as_bytes=True)
            elif message.get("clientContent", {}).get("turnComplete"):
                heard = {"inputTranscription": {"text": "Where is it?"}}
                send(socket, {"serverContent": heard}, as_bytes=True)
                for word in WORDS:
                    part = {"modelTurn": {"parts": [{"text": word}]}}
                    send(socket, {"serverContent": part}, as_bytes=True)
                send(socket, {"serverContent": {"generationComplete": True}}, as_bytes=True)
                usage = {
                    **{"promptTokenCount": 12, "responseTokenCount": 5, "totalTokenCount": 17},
                    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 12}],
                    "responseTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
                }
                send(socket, {"serverContent": {"turnComplete": True}, "usageMetadata": usage}, as_bytes=True)


def send(socket: ServerConnection, message: Message, *, as_bytes: bool = False) -> None:
    text = json.dumps(message, separators=(",", ":"))
    socket.send(text.encode() if as_bytes else text)


@contextmanager
def socket_provider(tls: ssl.SSLContext | None = None) -> Iterator[SocketProvider]:
    provider = SocketProvider(tls)
    with serve(provider.handle, "127.0.0.1", 0, ssl=tls, max_size=None) as server:
        provider.server = server
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield provider
        server.shutdown()
        thread.join()
