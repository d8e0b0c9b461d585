import pytest

from sandbox import open_sandbox
from sandbox.attacks import ATTACKS, PROGRAMS, run_attacks
from sandbox.job import Unavailable


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["bubblewrap", "landlock"])
def test_every_attack_is_held(tier):
    try:
        pool = open_sandbox(tier, slots=1, say=lambda line: None)
    except Unavailable as error:
        pytest.skip(str(error))
    with pool:
        results = run_attacks(pool, fast=False)
    assert [f"{result.name}: {result.why}" for result in results if not result.held] == []
    assert len(results) == len(ATTACKS)
    assert all(result.why and result.aim for result in results)


@pytest.mark.slow
def test_attacks_get_through_where_nothing_holds_them():
    with open_sandbox("unconfined", slots=1, say=lambda line: None) as pool:
        results = {result.name: result for result in run_attacks(pool, fast=True)}
    through = {name for name, result in results.items() if not result.held}
    assert through >= {
        "network",
        "host_files",
        "files",
        "imports",
        "tracing",
        "signals",
        "system_calls",
        "native_code",
        "disk",
        "priority",
        "clocks",
        "second_thread",
        "channel",
    }
    assert not results["nan"].held or "invalid" in results["nan"].why


def test_each_program_is_in_the_table():
    assert {path.stem for path in PROGRAMS.glob("*.py")} == {attack.name for attack in ATTACKS}
