import asyncio

from semantic_kernel.agents import ChatCompletionAgent
from semantic_kernel.connectors.ai.anthropic import AnthropicChatCompletion
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion


async def main() -> None:
    for service in (
        OpenAIChatCompletion(ai_model_id="gpt-4o-mini"),
        AnthropicChatCompletion(ai_model_id="claude-haiku-4-5"),
    ):
        agent = ChatCompletionAgent(service=service, name="clerk")
        print(await agent.get_response(messages="Where is my parcel?"))
        async for part in agent.invoke_stream(messages="Where is my parcel?"):
            print(part)


asyncio.run(main())
