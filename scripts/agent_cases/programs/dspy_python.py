import dspy

for name in ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"):
    print(dspy.LM(name, cache=False)("Where is my parcel?"))
