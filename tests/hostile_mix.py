"""Ten or twenty programs, 20 % of which hang, 10 % fork without end and 10 % take memory without end."""

from concurrent.futures import ThreadPoolExecutor

from sandbox.attacks.target import HONEST, TARGET
from sandbox.job import Job, Limits

HANG = "while True: pass"
FORKS = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
MEMORY = "kept = []\nwhile True: kept.append(bytearray(1 << 20))"
LIMITS = {
    HANG: Limits(wall_seconds=1),
    FORKS: Limits(wall_seconds=1),
    MEMORY: Limits(wall_seconds=30, memory_mb=64),
}
MIX = {1: HANG, 4: MEMORY, 6: HANG, 9: FORKS, 11: HANG, 14: MEMORY, 16: HANG, 19: FORKS}
"""Place in the queue -> program; the others are honest."""


def honest_job(**changes):
    fields = {"problem": TARGET.name, "program": HONEST, "game": "rock_paper_scissors", "seed": 1}
    return Job(**{**fields, "settings": {"iterations": 50}, **changes})


def run_mix(sandbox, count):
    """Run it at all slots at once.

    Returns the outcome of an honest program alone, those of the honest amid the others, and the statuses of
    the others by program.
    """
    alone = sandbox.run(honest_job())
    jobs = [
        honest_job(program=MIX[n], limits=LIMITS[MIX[n]]) if n in MIX else honest_job() for n in range(count)
    ]
    with ThreadPoolExecutor(2 * sandbox.slots) as threads:
        outcomes = list(threads.map(sandbox.run, jobs))
    hostile = {
        program: [outcomes[n].status for n in range(count) if MIX.get(n) == program] for program in LIMITS
    }
    return alone, [o for n, o in enumerate(outcomes) if n not in MIX], hostile


def check_mix(sandbox, count=20):
    """Of ``count`` programs, 10 or 20, the innocent are bit-equal to what they are alone, and each limit ends
    its programs as documented."""
    alone, honest, hostile = run_mix(sandbox, count)
    assert alone.status == "ok"
    assert [(o.status, o.artifact) for o in honest] == [("ok", alone.artifact)] * (count * 6 // 10)
    tenth = count // 10
    assert hostile == {
        HANG: ["timeout"] * 2 * tenth,
        FORKS: ["timeout"] * tenth,
        MEMORY: ["out_of_memory"] * tenth,
    }
