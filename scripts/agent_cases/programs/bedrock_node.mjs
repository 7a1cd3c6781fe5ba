import https from "node:https";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";

// Its usual handler speaks HTTP/2 and knows no proxy; node's own agent obeys NODE_USE_ENV_PROXY.
const client = new BedrockRuntimeClient({ region: "us-east-1", requestHandler: new NodeHttpHandler({ httpsAgent: https.globalAgent }) });
const messages = [{ role: "user", content: [{ text: "Where is my parcel?" }] }];
const asked = { modelId: "us.amazon.nova-lite-v1:0", messages };
console.log((await client.send(new ConverseCommand(asked))).output.message.content[0].text);
for await (const event of (await client.send(new ConverseStreamCommand(asked))).stream) console.log(event);
