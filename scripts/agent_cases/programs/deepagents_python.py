from deepagents import create_deep_agent

for model in ("openai:gpt-5", "anthropic:claude-haiku-4-5"):
    agent = create_deep_agent(model=model, system_prompt="Be kind.")
    print(agent.invoke({"messages": [{"role": "user", "content": "Where is my parcel?"}]})["messages"][-1].content)
