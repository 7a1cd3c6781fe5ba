import { generateText, streamText } from "ai";
import { anthropic } from "@ai-sdk/anthropic";
import { openai } from "@ai-sdk/openai";

for (const model of [openai("gpt-5"), openai.chat("gpt-4o-mini"), anthropic("claude-haiku-4-5")]) {
  console.log((await generateText({ model, prompt: "Where is my parcel?" })).text);
  console.log(await streamText({ model, prompt: "Where is my parcel?" }).text);
}
