"""Databricks and Snowflake: models inside a company's own account. Its hosts serve all else of that account as well, so that
none is opened: they are called by `--upstream NAME=URL`.

Both speak OpenAI's API too, and Anthropic's, below paths of their own (shapes.py reads those).
"""

from dataclasses import replace
from typing import Final

from addon.providers import openai_shaped
from addon.providers.fields import at, string
from addon.providers.framing.model import BYTES_END
from addon.providers.model import Json, Operation, Reading

DATABRICKS: Final = "https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/api-reference"
SNOWFLAKE: Final = "https://docs.snowflake.com/en/user-guide/snowflake-cortex/cortex-rest-api"
_CHAT: Final = openai_shaped.operations("", "chat", asks_usage=False)[0]


def _kind(request: Json) -> str:
    """What an endpoint does: the request tells, by OpenAI's names."""
    if at(request, "messages") is None and at(request, "prompt") is not None:
        return "text_completion"
    return "embeddings" if at(request, "messages") is None and isinstance(at(request, "input"), str | list) else "chat"


def read_invoked(body: Json) -> Reading:
    """A chat, a completion or embeddings in OpenAI's shape, an agent's answer in that of its responses."""
    return openai_shaped.read_any(body)


def _prompt(request: Json) -> str:
    return openai_shaped.chat_prompt(request) or openai_shaped.completion_prompt(request)


INVOCATIONS: Final = replace(
    _CHAT,
    path="/serving-endpoints/(?P<model>[^/]+)/invocations/?",
    read_json=read_invoked,
    prompt_text=_prompt,
    row_name=_kind,
    source=DATABRICKS,
)
# A chunk states the usage so far, and there is no `[DONE]`.
COMPLETE: Final = replace(_CHAT, path="/api/v2/cortex/inference:complete/?", terminal=BYTES_END, source=SNOWFLAKE)


def read_embedded(body: Json) -> Reading:
    """`{model, data, usage: {total_tokens}}`"""
    return replace(openai_shaped.read_embeddings(body), response_model=string(at(body, "model")))


EMBED: Final = Operation(
    name="embeddings",
    path="/api/v2/cortex/inference:embed/?",
    read_json=read_embedded,
    source=SNOWFLAKE,
)
OPERATIONS: Final[tuple[Operation, ...]] = (INVOCATIONS, COMPLETE, EMBED)
