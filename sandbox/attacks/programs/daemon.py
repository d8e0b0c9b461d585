"""Must not outlive its run: a child that leaves session, group and parent (and ends itself after 20 s)."""

import ctypes
import os
import time


def leave():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(15, FACTS["marker"].encode(), 0, 0, 0)
            time.sleep(20)
        os._exit(0)
    time.sleep(0.2)


try:
    leave()
    print("tried")
except OSError as error:
    print("refused daemon:", error)
