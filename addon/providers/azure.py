"""Azure OpenAI and Azure AI Foundry. https://learn.microsoft.com/azure/ai-foundry/openai/reference

Every customer has a host and deployments with names of their own; the answer names the model. No answer tells whether a
deployment is global, of a data zone or of a region: the price is that of global ones, as genai-prices has it.
"""

from dataclasses import replace
from typing import Final

from addon.providers import anthropic, azure_jobs, cohere, mistral, openai_containers, openai_evals, openai_runs
from addon.providers.model import Provider
from addon.providers.openai_realtime import realtime, responses_over_socket
from addon.providers.openai_shaped import operations

PRODUCTS: Final = ("openai", "services.ai", "cognitiveservices")
BY_DEPLOYMENT: Final = (
    *("chat", "text_completion", "embeddings", "image_generation", "image_edit"),
    *("speech", "transcription", "translation"),
)
# A project of Foundry; the clients of azure-ai-projects 2.10 and azure-ai-agents 1.1 have it as their address.
_PROJECT: Final = "/api/projects/[^/]+"
# At a resource, in a project, or of one agent in it: azure/ai/projects/_patch.py of azure-ai-projects 2.10
_OPENAI: Final = rf"(?:{_PROJECT}(?:/agents/[^/]+/endpoint/protocols|/applications/[^/]+/protocols)?)?/openai(?:/v1)?"


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
        # On data of the caller's own, before 2024: https://learn.microsoft.com/azure/ai-services/openai/references/on-your-data
        *operations("/openai/deployments/(?P<model>[^/]+)/extensions", "chat"),
        *operations(f"(?:{_PROJECT})?/openai/v1", *BY_DEPLOYMENT, "video_generation", "decisions"),
        *azure_jobs.OPERATIONS,
        realtime("/openai(?:/v1)?"),  # the model: `?model=`, or the older `?deployment=`
        # The same events: https://learn.microsoft.com/azure/ai-services/speech-service/voice-live-how-to
        realtime("/voice-(?:live|agent)"),
        *operations(_OPENAI, "responses", "compact", "retrieve_response", "cancel_response", "batch_results"),
        # https://learn.microsoft.com/azure/foundry/openai/how-to/websockets
        responses_over_socket(_OPENAI),
        openai_evals.evals(_OPENAI),
        openai_containers.containers(_OPENAI),
        *openai_runs.operations(f"(?:{_OPENAI}|{_PROJECT})"),
        # Azure AI's model inference: https://learn.microsoft.com/rest/api/aifoundry/modelinference
        *operations("(?:/models|/v1)?", "chat", "embeddings"),
        # mistralai 3.7, azure/client/ocr.py
        replace(mistral.OCR, path="/providers/mistral/azure/ocr/?"),
        # The other makers' own paths: litellm/llms/azure_ai of LiteLLM 1.109.1, rerank/, passthrough/ and image_generation/
        replace(cohere.RERANK, path="(?:/providers/cohere)?/v[12]/rerank/?"),
        replace(cohere.EMBED, path="/providers/cohere/v[12]/embed/?"),
        replace(azure_jobs.IMAGES, path="/providers/blackforestlabs/v1/(?P<model>[^/]+)/?"),
        *(operation.below("/anthropic") for operation in anthropic.PROVIDER.operations),
    ),
    prices="azure",
    region=region,
    source="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
)
