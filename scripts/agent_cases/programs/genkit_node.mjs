import { googleAI } from "@genkit-ai/google-genai";
import { genkit } from "genkit";

const ai = genkit({ plugins: [googleAI()], model: googleAI.model("gemini-2.5-flash") });
console.log((await ai.generate("Where is my parcel?")).text);
const { stream } = ai.generateStream("Where is my parcel?");
for await (const part of stream) console.log(part.text);
