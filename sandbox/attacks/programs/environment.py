"""Must not see a variable of the session's environment: keys live there."""

import ctypes
import glob
import hashlib
import os


def look(block):
    names = [
        entry.partition(b"=")[0] for entry in block if hashlib.sha256(entry).hexdigest() in FACTS["variables"]
    ]
    if not names:
        raise LookupError("none of the session's variables is there")
    return names


def of_process(path):
    with open(path, "rb") as file:
        return file.read().split(b"\0")


attempt("os.environ", lambda: look([f"{name}={value}".encode() for name, value in os.environ.items()]))
ctypes.CDLL(None).getenv.restype = ctypes.c_char_p
attempt(
    "getenv",
    lambda: look(
        [b"%s=%s" % (n.encode(), ctypes.CDLL(None).getenv(n.encode()) or b"") for n in FACTS["names"]]
    ),
)
for path in [*glob.glob("/proc/[0-9]*/environ"), "/proc/self/environ", f"/proc/{FACTS['session']}/environ"]:
    attempt(path, lambda path=path: look(of_process(path)))
