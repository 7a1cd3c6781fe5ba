"""llama.cpp on this machine. https://github.com/ggml-org/llama.cpp/tree/master/tools/server"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="llamacpp",
    origin="http://127.0.0.1:8080",
    hosts=(),
    operations=operations("/v1", "chat", "text_completion", "embeddings", "responses"),
)
