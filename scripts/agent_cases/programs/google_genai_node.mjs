import { GoogleGenAI } from "@google/genai";

const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
const asked = { model: "gemini-2.5-flash", contents: "Where is my parcel?" };
console.log((await client.models.generateContent(asked)).text);
for await (const part of await client.models.generateContentStream(asked)) console.log(part.text);
