"""Upstash QStash, its LLM half. https://upstash.com/docs/qstash"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="qstash",
    origin="https://qstash.upstash.io",
    hosts=("qstash.upstash.io",),
    labels=("qstash",),
    operations=operations("/llm/v1", "chat"),
)
