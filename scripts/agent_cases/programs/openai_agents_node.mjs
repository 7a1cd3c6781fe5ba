import { Agent, run } from "@openai/agents";

const agent = new Agent({ name: "clerk", model: "gpt-5" });
console.log((await run(agent, "Where is my parcel?")).finalOutput);
const streamed = await run(agent, "Where is my parcel?", { stream: true });
for await (const event of streamed) console.log(event.type);
