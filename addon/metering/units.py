"""The units that calls are priced by, beside the token columns of a row. One name each, with what one unit is.

Names that genai-prices has are its names, so that its prices apply; the others are priced by prices.toml.
"""

from typing import Final

# Tokens inside a row's totals that may have a price of their own: unit -> the total they are part of.
PARTS: Final = {
    "input_audio_tokens": "input_tokens",
    "input_image_tokens": "input_tokens",
    "input_video_tokens": "input_tokens",
    "input_text_tokens": "input_tokens",
    "input_tool_tokens": "input_tokens",
    "cache_audio_read_tokens": "cache_read_input_tokens",
    "cache_image_read_tokens": "cache_read_input_tokens",
    "cache_video_read_tokens": "cache_read_input_tokens",
    "cache_text_read_tokens": "cache_read_input_tokens",
    "cache_write_12h_tokens": "cache_creation_input_tokens",
    "output_audio_tokens": "output_tokens",
    "output_image_tokens": "output_tokens",
    "output_video_tokens": "output_tokens",
    "output_text_tokens": "output_tokens",
    "output_citation_tokens": "output_tokens",
}

# The same under genai-prices' names: part -> whole. A part that our table prices is left out of what the list charges.
WHOLE_OF: Final = {
    "cache_read_tokens": "input_tokens",
    "cache_write_tokens": "input_tokens",
    "cache_write_1h_tokens": "cache_write_tokens",
    "output_reasoning_tokens": "output_tokens",
    **{part: whole.replace("_input_tokens", "_tokens") for part, whole in PARTS.items()},
    "cache_write_12h_tokens": "cache_write_tokens",
    "input_annotated_document_pages": "input_document_pages",
}

# What is counted beside tokens. genai-prices has a price for those up to `requests`.
UNITS: Final = {
    "input_characters": "a character of text to speak, translate or read",
    "input_text_messages": "a message of a realtime session",
    "audio_seconds": "a second of sound, in or out",
    "input_audio_seconds": "a second of sound that was sent",
    "output_audio_seconds": "a second of sound that was made",
    "input_images": "an image that was read, where it is not counted in tokens",
    "classifications": "a text that was classified",
    "input_video_seconds": "a second of video that was sent",
    "input_pixels": "a pixel of an image that was sent",
    "input_video_pixels": "a pixel of a video that was sent",
    "input_document_pages": "a page of a document that was read",
    "input_annotated_document_pages": "a page that was read and annotated",
    "rerank_searches": "a query that was ranked, of up to 100 documents",
    "web_searches": "a search of the web",
    "social_searches": "a search of a social network",
    "search_sources": "a source that a search found and the answer used",
    "map_searches": "a question to a map service",
    "storage_searches": "a search in stored files",
    "attachment_searches": "a search in the files of a message",
    "code_executions": "a run of code in the provider's sandbox",
    "requests": "one call",
    "cache_storage_token_seconds": "a token that was kept in a cache of the caller's own for a second",
    "images": "an image that was made; the factors size and quality choose its price",
    "image_steps": "a step of making an image, where its size does not matter",
    "image_pixel_steps": "a pixel of an image that was made, for each step of making it",
    "video_seconds": "a second of video that was made",
    "songs": "a piece of music that was made",
    "guardrail_content_units": "1,000 characters that a guardrail's content filters looked at",
    "guardrail_topic_units": "1,000 characters that were checked for denied topics",
    "guardrail_sensitive_information_units": "1,000 characters that were searched for personal data",
    "guardrail_grounding_units": "1,000 characters that were checked against their sources",
    "guardrail_reasoning_units": "1,000 characters that were checked against rules of logic",
    "guardrail_check_units": "1,000 characters that a check of messages looked at, each check by itself",
    "guardrail_images": "an image that a guardrail looked at",
    "guardrail_text_units": "1,000 characters that a guardrail looked at, nobody says by which policies",
    "container_sessions": "a container for code, for its first twenty minutes",
    "preview_web_searches": "a search by OpenAI's web_search_preview tool, whose price depends on the kind of model",
    "search_model_calls": "a call of a chat model that always searches the web once",
    "batch_requests": "a request of a batch whose usage is the sum of all: tiers of length are those of a single request",
    "image_tool_input_text_tokens": "a token of words to an image model that a response called as a tool",
    "image_tool_input_image_tokens": "a token of an image to that model",
    "image_tool_cached_text_tokens": "a token of words that it had in its cache",
    "image_tool_cached_image_tokens": "a token of an image that it had in its cache",
    "image_tool_output_tokens": "a token of an image that it made",
    "image_tool_output_text_tokens": "a token of words that it wrote, for some image models at a price of their own",
}
