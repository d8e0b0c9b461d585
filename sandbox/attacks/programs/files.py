"""Must not change a file system: create, truncate, rename, link, delete, change modes, make devices or FIFOs."""

import os

for folder in (os.path.dirname(FACTS["canary"]), "/tmp", "/var/tmp", "/dev/shm", "/", ".", FACTS["project"]):
    path = f"{folder}/equilibrist-attack"
    attempt(
        f"create in {folder}",
        lambda path=path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)) or os.unlink(path),
    )
    attempt(f"folder in {folder}", lambda path=path: os.mkdir(path) or os.rmdir(path))
    attempt(f"link in {folder}", lambda path=path: os.symlink("/etc/passwd", path) or os.unlink(path))
    attempt(f"fifo in {folder}", lambda path=path: os.mkfifo(path) or os.unlink(path))
    attempt(f"nameless in {folder}", lambda folder=folder: os.open(folder, os.O_TMPFILE | os.O_WRONLY))
attempt("append to the canary", lambda: open(FACTS["canary"], "a"))
attempt("mode of the canary", lambda: os.chmod(FACTS["canary"], 0o600))
attempt("delete the canary", lambda: os.unlink(FACTS["canary"]))
attempt("anonymous file", lambda: os.memfd_create("x"))
