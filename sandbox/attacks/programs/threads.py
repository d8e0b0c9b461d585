"""Must not make threads without bound (no more than 64 here)."""

import threading


def bomb():
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait, daemon=True) for _ in range(64)]
    try:
        for thread in threads:
            thread.start()
    finally:
        stop.set()
    return len(threads)


attempt("threads", bomb)
