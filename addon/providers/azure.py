"""Azure OpenAI. https://learn.microsoft.com/azure/ai-services/openai/reference"""

from addon.providers.model import Provider
from addon.providers.openai_realtime import realtime
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="azure",
    # Every customer has a host of their own, which `--upstream azure=URL` names. RFC 2606: this one never resolves.
    origin="https://azure.invalid",
    hosts=("*.openai.azure.com", "*.services.ai.azure.com", "*.cognitiveservices.azure.com"),
    operations=(
        *operations("/openai/v1", "chat", "embeddings", "responses"),
        realtime("/openai(?:/v1)?"),  # the model: `?model=`, or the older `?deployment=`
        *operations("/openai/deployments/(?P<model>[^/]+)", "chat", "text_completion", "embeddings"),
    ),
    prices="azure",
    source="https://learn.microsoft.com/azure/ai-services/openai/reference",
)
