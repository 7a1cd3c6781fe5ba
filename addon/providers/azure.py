"""Azure OpenAI and Azure AI Foundry. https://learn.microsoft.com/azure/ai-foundry/openai/reference

Every customer has a host and deployments with names of their own; the answer names the model. No answer tells whether a
deployment is global, of a data zone or of a region: the price is that of global ones, as genai-prices has it.
"""

from dataclasses import replace
from typing import Final

from addon.providers import anthropic, cohere, mistral, openai_runs
from addon.providers.model import Provider
from addon.providers.openai_realtime import realtime
from addon.providers.openai_shaped import operations

PRODUCTS: Final = ("openai", "services.ai", "cognitiveservices")
BY_DEPLOYMENT: Final = (
    *("chat", "text_completion", "embeddings", "image_generation", "image_edit"),
    *("speech", "transcription", "translation"),
)


def region(host: str, _path: str) -> str | None:
    """The clouds of the US government and of China have price lists of their own."""
    return {"azure.us": "us-government", "azure.cn": "china"}.get(".".join(host.split(".")[-2:]))


PROVIDER = Provider(
    name="azure",
    # The customer's own host, e.g. of an API gateway, is named by `--upstream azure=URL`. RFC 2606: this never resolves.
    origin="https://azure.invalid",
    hosts=(
        *(f"*.{product}.azure.{end}" for end in ("com", "us", "cn") for product in PRODUCTS),
        "*.*.models.ai.azure.com",  # a model that is deployed alone
    ),
    operations=(
        *operations("/openai/deployments/(?P<model>[^/]+)", *BY_DEPLOYMENT),
        *operations("/openai/v1", *BY_DEPLOYMENT, "video_generation"),
        realtime("/openai(?:/v1)?"),  # the model: `?model=`, or the older `?deployment=`
        # The same events: https://learn.microsoft.com/azure/ai-services/speech-service/voice-live-how-to
        realtime("/voice-(?:live|agent)"),
        *operations("/openai(?:/v1)?", "responses", "compact", "retrieve_response", "cancel_response", "batch_results"),
        *openai_runs.operations("/openai(?:/v1)?"),
        # Azure AI's model inference: https://learn.microsoft.com/rest/api/aifoundry/modelinference
        *operations("(?:/models|/v1)?", "chat", "embeddings"),
        # mistralai 3.7, azure/client/ocr.py
        replace(mistral.OCR, path="/providers/mistral/azure/ocr/?"),
        # litellm/llms/azure_ai/rerank/transformation.py
        replace(cohere.RERANK, path="(?:/providers/cohere)?/v[12]/rerank/?"),
        *(operation.below("/anthropic") for operation in anthropic.PROVIDER.operations),
    ),
    prices="azure",
    region=region,
    source="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
)
