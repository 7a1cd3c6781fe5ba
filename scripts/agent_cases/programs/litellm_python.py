import litellm

asked = [{"role": "user", "content": "Where is my parcel?"}]
options = {"include_usage": True}
for model in (
    "openai/gpt-4o-mini",
    "anthropic/claude-haiku-4-5",
    "gemini/gemini-2.5-flash",
    "groq/llama-3.1-8b-instant",
):
    print(litellm.completion(model=model, messages=asked).choices[0].message.content)
    for part in litellm.completion(model=model, messages=asked, stream=True, stream_options=options):
        print(part.choices[0].delta.content)
