from mirascope import llm

for name in ("openai/gpt-4o-mini:completions", "anthropic/claude-haiku-4-5"):
    model = llm.Model(name)
    print(model.call("Where is my parcel?").text())
    for part in model.stream("Where is my parcel?").text_stream():
        print(part)
