import asyncio

from claude_agent_sdk import ClaudeAgentOptions, query


async def main() -> None:
    options = ClaudeAgentOptions(model="claude-haiku-4-5", allowed_tools=["Bash"])
    async for message in query(prompt="Where is my parcel?", options=options):
        print(message)


asyncio.run(main())
