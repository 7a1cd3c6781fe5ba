"""Google Vertex AI. https://cloud.google.com/vertex-ai/generative-ai/docs/start/openai"""

from addon.providers import gemini_live
from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="vertex",
    origin="https://aiplatform.googleapis.com",
    hosts=("aiplatform.googleapis.com", "*-aiplatform.googleapis.com", "aiplatform.*.rep.googleapis.com"),
    operations=(
        *operations("/v1(?:beta1)?/projects/[^/]+/locations/[^/]+/endpoints/[^/]+", "chat"),
        gemini_live.operation(
            r"/ws/google\.cloud\.aiplatform\.v1(?:beta1)?\.LlmBidiService[./]BidiGenerateContent"  # google-genai 3.4, live.py
        ),
    ),
    prices="google",
    source="https://cloud.google.com/vertex-ai/generative-ai/docs/start/openai",
)
