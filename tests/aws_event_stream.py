"""Events as AWS frames them: https://smithy.io/2.0/aws/amazon-eventstream.html"""

import json
import struct
import zlib


def frame(kind: str, name: str, payload: object) -> bytes:
    """One message. `kind` is `event` or `exception`, `name` its type, `payload` becomes JSON."""
    headers = {":message-type": kind, f":{kind}-type": name, ":content-type": "application/json"}
    block = b"".join(
        struct.pack("!B", len(key)) + key.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for key, value in headers.items()
    )
    data = json.dumps(payload).encode()
    prelude = struct.pack("!II", len(block) + len(data) + 16, len(block))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + block + data
    return message + struct.pack("!I", zlib.crc32(message))
