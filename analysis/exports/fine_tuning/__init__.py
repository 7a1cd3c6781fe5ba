"""Fine-tuning sets: stored conversations as training examples in the forms of OpenAI, Anthropic and ShareGPT."""
