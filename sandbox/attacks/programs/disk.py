"""Must not fill a disk, use up its inodes, or make a file grow: also by what it was handed (16 files here)."""

import os

FOLDERS = (
    "/tmp",
    "/var/tmp",
    "/dev/shm",
    "/run",
    "/run/wall",
    "/run/lock",
    "/proc/self",
    "/",
    FACTS["cache"],
)


def many(folder):
    made = []
    try:
        for number in range(16):
            path = f"{folder}/equilibrist-inode-{number}"
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            made.append(path)
    finally:
        for path in made:
            os.unlink(path)
    return len(made)


for folder in FOLDERS:
    attempt(f"many files in {folder}", lambda folder=folder: many(folder))
attempt("code for the next worker", lambda: os.open(FACTS["cache"], os.O_TMPFILE | os.O_WRONLY))
for fd in (0, 3, 4, 5):
    attempt(f"grow descriptor {fd}", lambda fd=fd: os.ftruncate(fd, 1 << 20))
    attempt(f"allocate {fd}", lambda fd=fd: succeeded(syscall("fallocate", fd, 0, 0, 1 << 20)))
    attempt(f"reopen {fd}", lambda fd=fd: os.open(f"/proc/self/fd/{fd}", os.O_RDWR))
attempt("pipe", lambda: os.pipe())
attempt("splice", lambda: refused(syscall("splice", 3, 0, 4, 0, 1, 0)))
