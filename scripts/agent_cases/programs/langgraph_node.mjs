import { ChatAnthropic } from "@langchain/anthropic";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ChatOpenAI } from "@langchain/openai";

for (const model of [new ChatOpenAI({ model: "gpt-4o-mini" }), new ChatAnthropic({ model: "claude-haiku-4-5" })]) {
  const graph = new StateGraph(MessagesAnnotation)
    .addNode("answer", async ({ messages }) => ({ messages: [await model.invoke(messages)] }))
    .addEdge(START, "answer")
    .addEdge("answer", END)
    .compile();
  const question = { messages: [{ role: "user", content: "Where is my parcel?" }] };
  console.log((await graph.invoke(question)).messages.at(-1).content);
  for await (const [part] of await graph.stream(question, { streamMode: "messages" })) console.log(part.content);
}
