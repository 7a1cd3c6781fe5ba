import asyncio

from openai import AsyncOpenAI, OpenAI

client = OpenAI()
asked = [{"role": "user", "content": "Where is my parcel?"}]
client.chat.completions.create(model="gpt-4o-mini", messages=asked)
options = {"include_usage": True}
list(client.chat.completions.create(model="gpt-4o-mini", messages=asked, stream=True, stream_options=options))
client.responses.create(model="gpt-5", input="Where is my parcel?")
with client.responses.stream(model="gpt-5", input="Where is my parcel?") as stream:
    print(stream.get_final_response().output_text)


async def ask() -> None:
    async with AsyncOpenAI() as client:
        await client.responses.create(model="gpt-5", input="Where is my parcel?")


asyncio.run(ask())
