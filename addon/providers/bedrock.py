"""Amazon Bedrock. https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="bedrock",
    origin="https://bedrock-runtime.us-east-1.amazonaws.com",
    # The region is a part of the host: `origin` is for callers who name none.
    hosts=("bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com"),
    labels=("bedrock",),
    operations=operations("/openai/v1", "chat"),
    prices="aws",
    source="https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html",
)
