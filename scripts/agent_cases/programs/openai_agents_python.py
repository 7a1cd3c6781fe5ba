import asyncio

from agents import Agent, Runner

agent = Agent(name="parcels", instructions="Be kind.", model="gpt-5")


async def main() -> None:
    print((await Runner.run(agent, "Where is my parcel?")).final_output)
    async for event in Runner.run_streamed(agent, "Where is my parcel?").stream_events():
        print(event.type)


asyncio.run(main())
