"""Must not hand a result to anybody: on its output, its descriptors, or through the wall."""

import json
import os
import struct

text = json.dumps(
    {"status": "ok", "artifact": {"exploitability": 0.0, "iterations": 100}, "spoiled": False}
).encode()
message = struct.pack(">IQ", len(text), 0) + text + b"\n"
for fd in (0, 1, 2, 3, 5, *range(6, 64)):
    try:
        os.write(fd, message)
    except OSError:
        pass
print("tried")
