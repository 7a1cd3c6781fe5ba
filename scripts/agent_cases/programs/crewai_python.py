from crewai import LLM, Agent, Crew, Task

for is_stream in (False, True):
    agent = Agent(role="clerk", goal="answer", backstory="kind", llm=LLM(model="openai/gpt-4o-mini", stream=is_stream))
    task = Task(description="Where is my parcel?", expected_output="a sentence", agent=agent)
    print(Crew(agents=[agent], tasks=[task]).kickoff().raw)
