"""Usage of OpenAI-shaped streams, asked for where the caller did not ask by itself.

OpenAI states a stream's usage only when asked, in one more chunk with `"choices": []` before `[DONE]`
(https://platform.openai.com/docs/api-reference/chat/create, `stream_options.include_usage`).
"""

from addon.sending.json_text import members, with_members


def with_include_usage(body: bytes) -> bytes | None:
    """The request with `stream_options.include_usage` set to true and all other bytes as they were; None where there is
    nothing to do: no stream, asked for already, or no JSON that we can read. The caller knows that the operation is one
    that has this option (chat completions, completions)."""
    if b'"stream"' not in body:
        return None  # most calls, when the config asks for usage everywhere: not worth reading
    try:
        text = body.decode()
        there = {member.key: member for member in members(text)}
        stream, options = there.get("stream"), there.get("stream_options")
        if stream is None or stream.value is not True:
            return None
        if options is None or options.value is None:
            return with_members(text, {"stream_options": '{"include_usage":true}'}).encode()
        if not isinstance(options.value, dict) or options.value.get("include_usage") is True:
            return None  # of what is no object the provider itself says what is wrong
        asked = with_members(text[options.start : options.end], {"include_usage": "true"})
        return with_members(text, {"stream_options": asked}).encode()
    except ValueError:  # not UTF-8, not JSON, not an object: it passes as it is
        return None
