"""Must not read a file of the host: the canary, this project, keys, other users' files."""

import os

for path in (FACTS["canary"], FACTS["project"] + "/pyproject.toml", "/etc/shadow", "/proc/kcore", "/dev/mem"):
    attempt(path, lambda path=path: open(path, "rb").read(1))
attempt("folder of the canary", lambda: os.listdir(os.path.dirname(FACTS["canary"])))
attempt("home folders", lambda: [os.listdir(home) for home in ("/root", "/home")])
attempt("host root by process", lambda: os.listdir(f"/proc/{FACTS['session']}/root"))
attempt("open by handle", lambda: succeeded(syscall("name_to_handle_at", -100, b"/", 0, 0, 0)))
