"""Must not import the referee, the games or a library of games."""

import importlib
import sys

sys.path.insert(0, FACTS["project"])
for module in (
    "sandbox.referee",
    "sandbox.attacks.target.referee",
    "problems.regret.referee",
    "problems",
    "pyspiel",
):
    attempt(module, lambda module=module: importlib.import_module(module))
