"""Must not be believed when it says that the failure is not its own, or that it is our fault."""

import json
import os

print("tried")
os.write(5, json.dumps({"status": "ok", "message": "\x1b[31mfailure of the host", "failure": "x"}).encode())
os.write(4, b"!")
