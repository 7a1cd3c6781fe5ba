"""Answers of our own making: JSON, in the dialect of the API that was called, with a message that says what to do."""

from typing import Final

import orjson
from mitmproxy import http

from addon.config import controls
from addon.providers.dialect import error_body
from addon.providers.model import Json, Provider
from addon.routing.router import means_endpoint

JSON_TYPE: Final = "application/json; charset=utf-8"


def answer_now(flow: http.HTTPFlow, response: http.Response) -> None:
    """Answer a request whose headers are in, without waiting for its body."""
    flow.response = response
    flow.request.headers.pop("expect", None)  # or mitmproxy asks for the body first


def json_answer(status: int, body: Json) -> http.Response:
    return http.Response.make(status, orjson.dumps(body), {"content-type": JSON_TYPE})


def error_answer(provider: Provider | None, status: int, error_type: str, message: str) -> http.Response:
    """Without a provider OpenAI's shape, which most SDKs can read. `message` may quote bytes that are not UTF-8."""
    message = message.encode(errors="replace").decode()
    answer = json_answer(status, error_body(provider, status, error_type, message))
    answer.headers[controls.STATUS] = error_type
    return answer


def api_error(status: int, message: str) -> http.Response:
    """An error in the shape that our endpoints answer with."""
    return json_answer(status, {"data": None, "error": message.encode(errors="replace").decode()})


def refusal(flow: http.HTTPFlow, status: int, error_type: str, message: str) -> http.Response:
    """An answer to a request before it is known what it is: in the shape that a caller of this host and path reads."""
    if not means_endpoint(flow.request.host.lower(), flow.request.path):
        return error_answer(None, status, error_type, message)
    answer = api_error(status, message)
    answer.headers[controls.STATUS] = error_type
    return answer
