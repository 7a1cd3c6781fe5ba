import instructor

for model in ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"):
    client = instructor.from_provider(model)
    question = [{"role": "user", "content": "Where is my parcel?"}]
    print(client.chat.completions.create(messages=question, response_model=None, max_tokens=100))
