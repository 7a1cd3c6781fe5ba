"""Names that only one company gives to models: whose they are, where nothing else says it."""

import re
from typing import Final

# Maker and model, as LiteLLM and routers write it: `anthropic/claude-sonnet-4-5`.
_MAKER: Final = r"(?i)(?:(?:openai|anthropic|google|gemini|vertex_ai|databricks)/)?"
_BEFORE: Final = re.compile(_MAKER)
_NAMES: Final = (
    (
        re.compile(_MAKER + r"(?:ft:)?(?:gpt-\d|o[134](?:-|$)|chatgpt-|text-embedding-|text-davinci|davinci|babbage)"),
        "openai",
    ),
    (re.compile(_MAKER + "claude-"), "anthropic"),
    (re.compile(_MAKER + "gemini-"), "gemini"),
    # What it serves by itself; https://docs.databricks.com/aws/en/machine-learning/foundation-model-apis/supported-models
    (re.compile("(?i)(?:databricks/)?databricks-"), "databricks"),
)


def without_maker(model: str) -> str:
    """`gpt-5-mini` of `openai/gpt-5-mini`: price lists leave the maker out."""
    return _BEFORE.sub("", model, count=1)


def maker_of(model: str | None) -> str | None:
    """The provider whose models alone are named so: `openai` of `gpt-5-mini`. None of a name that several serve."""
    return next((provider for pattern, provider in _NAMES if model and pattern.match(model)), None)
