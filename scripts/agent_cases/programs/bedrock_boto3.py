import boto3

client = boto3.client("bedrock-runtime", region_name="us-east-1")
asked = [{"role": "user", "content": [{"text": "Where is my parcel?"}]}]
client.converse(modelId="us.amazon.nova-lite-v1:0", messages=asked)
for event in client.converse_stream(modelId="us.amazon.nova-lite-v1:0", messages=asked)["stream"]:
    print(event)
