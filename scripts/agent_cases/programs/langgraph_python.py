from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph

for model in (ChatOpenAI(model="gpt-4o-mini"), ChatAnthropic(model="claude-haiku-4-5")):

    def answer(state: MessagesState, model=model):
        return {"messages": [model.invoke(state["messages"])]}

    graph = (
        StateGraph(MessagesState).add_node("answer", answer).add_edge(START, "answer").add_edge("answer", END).compile()
    )
    question = {"messages": [("user", "Where is my parcel?")]}
    print(graph.invoke(question)["messages"][-1].content)
    for part, _ in graph.stream(question, stream_mode="messages"):
        print(part.content)
