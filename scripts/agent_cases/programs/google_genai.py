import asyncio

from google import genai

client = genai.Client()
asked = {"model": "gemini-2.5-flash", "contents": "Where is my parcel?"}
client.models.generate_content(**asked)
for part in client.models.generate_content_stream(**asked):
    print(part.text)


async def ask() -> None:
    await client.aio.models.generate_content(**asked)
    async for part in await client.aio.models.generate_content_stream(**asked):
        print(part.text)


asyncio.run(ask())
