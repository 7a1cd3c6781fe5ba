from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

for model in (ChatOpenAI(model="gpt-4o-mini"), ChatAnthropic(model="claude-haiku-4-5")):
    print(model.invoke("Where is my parcel?").content)
    for part in model.stream("Where is my parcel?"):
        print(part.content)
