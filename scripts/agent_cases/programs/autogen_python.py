import asyncio

from autogen_core.models import ModelFamily, UserMessage
from autogen_ext.models.anthropic import AnthropicChatCompletionClient
from autogen_ext.models.openai import OpenAIChatCompletionClient

INFO = {"vision": True, "function_calling": True, "json_output": True, "structured_output": False}


async def main() -> None:
    asked = [UserMessage(content="Where is my parcel?", source="user")]
    openai = OpenAIChatCompletionClient(model="gpt-4o-mini", include_name_in_message=False)
    anthropic = AnthropicChatCompletionClient(
        model="claude-haiku-4-5", model_info={**INFO, "family": ModelFamily.ANY}, max_tokens=100
    )
    for client, more in ((openai, {"include_usage": True}), (anthropic, {})):
        print((await client.create(asked)).content)
        async for part in client.create_stream(asked, **more):
            print(part)
        await client.close()


asyncio.run(main())
