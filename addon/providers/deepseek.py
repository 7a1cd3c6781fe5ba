"""DeepSeek. https://api-docs.deepseek.com"""

from addon.providers.model import Provider
from addon.providers.openai_shaped import operations

PROVIDER = Provider(
    name="deepseek",
    origin="https://api.deepseek.com",
    hosts=("api.deepseek.com",),
    labels=("deepseek",),
    operations=operations("(?:/v1|/beta)?", "chat", "text_completion"),
    prices="deepseek",
)
