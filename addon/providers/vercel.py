"""Vercel AI Gateway. https://vercel.com/docs/ai-gateway/openai-compat"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="vercel",
    origin="https://ai-gateway.vercel.sh",
    hosts=("ai-gateway.vercel.sh",),
    labels=("vercel",),
    operations=operations("/v1", "chat", "embeddings", "responses"),
)
