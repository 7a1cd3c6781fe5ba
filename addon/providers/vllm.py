"""vLLM on this machine. https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="vllm",
    origin="http://127.0.0.1:8000",
    hosts=(),
    operations=operations("/v1", "chat", "text_completion", "embeddings", "responses"),
)
