"""Calls a provider once with its own SDK, through the proxy: `python sdks.py NAME http://127.0.0.1:PORT MODEL`.

Prints what the SDK made of the answer. Each imports its SDK alone: they are installed in a folder of their own.
"""
# mypy: ignore-errors

import sys
from typing import Any

HELLO: Any = [{"role": "user", "content": "Hi"}]


def gemini(proxy: str, model: str) -> object:
    from google import genai

    client = genai.Client(api_key="test", http_options={"base_url": f"{proxy}/gemini"})
    return client.models.generate_content(model=model, contents="Hi").text


def gemini_stream(proxy: str, model: str) -> object:
    from google import genai

    client = genai.Client(api_key="test", http_options={"base_url": f"{proxy}/gemini"})
    chunks = client.models.generate_content_stream(model=model, contents="Hi")
    return "".join(chunk.text or "" for chunk in chunks)


def mistral(proxy: str, model: str) -> object:
    from mistralai.client import Mistral

    client = Mistral(api_key="test", server_url=f"{proxy}/mistral")
    return client.chat.complete(model=model, messages=HELLO).choices[0].message.content


def cohere(proxy: str, model: str) -> object:
    from cohere import ClientV2

    client = ClientV2(api_key="test", base_url=f"{proxy}/cohere")
    return client.chat(model=model, messages=HELLO).message.content


def cohere_rerank(proxy: str, model: str) -> object:
    from cohere import ClientV2

    client = ClientV2(api_key="test", base_url=f"{proxy}/cohere")
    return len(client.rerank(model=model, query="q", documents=["a", "b"]).results)


def together(proxy: str, model: str) -> object:
    from together import Together

    client = Together(api_key="test", base_url=f"{proxy}/together")
    return client.chat.completions.create(model=model, messages=HELLO).choices[0].message.content


def fireworks(proxy: str, model: str) -> object:
    from fireworks import Fireworks

    client = Fireworks(api_key="test", base_url=f"{proxy}/fireworks/inference")
    chunks = client.chat.completions.create(model=model, messages=HELLO, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def cerebras(proxy: str, model: str) -> object:
    from cerebras.cloud.sdk import Cerebras

    client = Cerebras(api_key="test", base_url=f"{proxy}/cerebras", warm_tcp_connection=False)
    chunks = client.chat.completions.create(model=model, messages=HELLO, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def ollama(proxy: str, model: str) -> object:
    from ollama import Client

    return Client(host=f"{proxy}/ollama").chat(model=model, messages=HELLO).message.content


def huggingface(proxy: str, model: str) -> object:
    from huggingface_hub import InferenceClient

    client = InferenceClient(base_url=f"{proxy}/huggingface/v1", api_key="test")
    return client.chat_completion(model=model, messages=HELLO).choices[0].message.content


def voyage(proxy: str, model: str) -> object:
    from voyageai import Client

    return len(Client(api_key="test", base_url=f"{proxy}/voyage/v1").embed(["Hi"], model=model).embeddings)


if __name__ == "__main__":
    print(globals()[sys.argv[1]](sys.argv[2], sys.argv[3]))
