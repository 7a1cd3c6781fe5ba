"""Containers that OpenAI makes for code when they are asked for by themselves: `POST /v1/containers`.

They have a fee of their own, by their memory. A response that names such a container does not pay it again
(`openai_tools.units`). openai 3.54, types/container_create_response.py
"""

from decimal import Decimal

from addon.providers.fields import at, error_type, string
from addon.providers.model import Json, Operation, Reading


def read_json(body: Json) -> Reading:
    """`{id, object: "container", memory_limit: "1g"}`"""
    made = at(body, "object") == "container"
    return Reading(
        response_id=string(at(body, "id")),
        units={"container_sessions": Decimal(1)} if made else {},
        price_factors={"container_memory": string(at(body, "memory_limit")) or "1g"} if made else {},
        error_type=error_type(body),
    )


def containers(base: str) -> Operation:
    """`base`: a regular expression such as `/v1`."""
    return Operation(
        name="create_container",
        path=f"{base}/containers/?",
        read_json=read_json,
        source="https://developers.openai.com/api/reference/resources/containers",
    )
