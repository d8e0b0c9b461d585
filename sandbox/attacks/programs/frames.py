"""Must not find the game in its own process: frames, garbage collector, modules, open descriptors."""

import gc
import os
import sys


def names():
    frame = sys._getframe()
    while frame:
        yield from frame.f_locals
        yield from frame.f_globals
        frame = frame.f_back
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            yield from (key for key in thing if isinstance(key, str))


def search():
    wanted = {"payoffs", "exploitability", "rollout"}
    found = sorted(wanted.intersection(names()) | {name for name in sys.modules if "referee" in name})
    if not found:
        raise LookupError("no trace of the game in this process")
    return found


def more_descriptors():
    found = [fd for fd in range(6, 1024) if not closed(fd)]
    if not found:
        raise LookupError("no descriptor but its own six")
    return found


def closed(fd):
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


attempt("names", search)
attempt("descriptors", more_descriptors)
