"""Cerebras. https://inference-docs.cerebras.ai/api-reference"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="cerebras",
    origin="https://api.cerebras.ai",
    hosts=("api.cerebras.ai",),
    labels=("cerebras",),
    operations=operations("/v1", "chat", "text_completion"),
    prices="cerebras",
)
