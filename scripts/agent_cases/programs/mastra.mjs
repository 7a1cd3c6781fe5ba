import { anthropic } from "@ai-sdk/anthropic";
import { openai } from "@ai-sdk/openai";
import { Agent } from "@mastra/core/agent";

for (const model of [openai("gpt-5"), anthropic("claude-haiku-4-5")]) {
  const agent = new Agent({ id: "parcels", name: "parcels", instructions: "Be kind.", model });
  console.log((await agent.generate("Where is my parcel?")).text);
  console.log(await (await agent.stream("Where is my parcel?")).text);
}
