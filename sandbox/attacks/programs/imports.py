"""Must not import the referee, the games or a library of games."""

import importlib
import sys


def in_memory():
    """Modules that the program's process inherited, for nothing of ours but its own half may be there."""
    ours = {name for name in sys.modules if name.split(".")[0] in ("problems", "pyspiel", "memory", "agents")}
    if not ours:
        raise LookupError("no module of the games or the referee is loaded")
    return sorted(ours)


attempt("in memory", in_memory)
sys.path.insert(0, FACTS["project"])
for module in (
    "sandbox.referee",
    "sandbox.attacks.target.referee",
    "problems.regret.referee",
    "problems",
    "pyspiel",
):
    attempt(module, lambda module=module: importlib.import_module(module))
