set -e
for model in gpt-4o-mini claude-haiku-4.5 gemini-2.5-flash; do
    llm -m "$model" "Where is my parcel?"
done
