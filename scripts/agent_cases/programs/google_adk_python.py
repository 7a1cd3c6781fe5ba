import asyncio

from google.adk.agents import Agent
from google.adk.agents.run_config import RunConfig, StreamingMode
from google.adk.runners import InMemoryRunner
from google.genai import types

agent = Agent(name="parcels", model="gemini-2.5-flash", instruction="Be kind.")


async def main() -> None:
    runner = InMemoryRunner(agent=agent, app_name="parcels")
    asked = types.Content(role="user", parts=[types.Part(text="Where is my parcel?")])
    for mode in (StreamingMode.NONE, StreamingMode.SSE):
        session = await runner.session_service.create_session(app_name="parcels", user_id="ann")
        async for event in runner.run_async(
            user_id="ann", session_id=session.id, new_message=asked, run_config=RunConfig(streaming_mode=mode)
        ):
            print(event.content)


asyncio.run(main())
