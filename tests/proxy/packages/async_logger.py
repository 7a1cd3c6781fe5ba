"""Helicone's own logger for Python, pointed at the proxy: python async_logger.py PROXY PROVIDER SESSION"""

import sys

import openai
from helicone_async import HeliconeAsyncLogger

_, proxy, provider, session = sys.argv
logger = HeliconeAsyncLogger(api_key="sk-helicone-xxxx", base_url=f"{proxy}/v1/trace/log-python")
logger.init()
logger.set_properties(
    {"Helicone-User-Id": "user-123", "Helicone-Property-Feature": "chat", "Helicone-Session-Id": session}
)
client = openai.OpenAI(base_url=f"{provider}/v1", api_key="k")
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Where is my parcel?"}])
