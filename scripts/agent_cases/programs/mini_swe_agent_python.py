from minisweagent.models.litellm_model import LitellmModel

model = LitellmModel(model_name="anthropic/claude-haiku-4-5")
print(model.query([{"role": "user", "content": "Where is my parcel?"}]))
