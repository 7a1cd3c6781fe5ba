// A program with OpenAI's SDK: one answer, one stream. Prints both.
import OpenAI from "openai";

const client = new OpenAI({ apiKey: "none", maxRetries: 0 });
const asked = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] };
const answer = await client.chat.completions.create(asked);
console.log(answer.choices[0].message.content);
for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) {
  console.log(JSON.stringify(chunk));
}
