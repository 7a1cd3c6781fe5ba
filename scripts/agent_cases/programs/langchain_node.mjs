import { ChatAnthropic } from "@langchain/anthropic";
import { ChatOpenAI } from "@langchain/openai";

for (const model of [new ChatOpenAI({ model: "gpt-4o-mini" }), new ChatAnthropic({ model: "claude-haiku-4-5" })]) {
  console.log((await model.invoke("Where is my parcel?")).content);
  for await (const part of await model.stream("Where is my parcel?")) console.log(part.content);
}
