"""A problem that does nothing but cross the wall: for tests of the sandbox."""

from problems.problem import Problem, Score

TOY = Problem(
    name="toy",
    statement="",
    baselines={"echo": "def answer(x):\n    return x + 1\n"},
    parent="echo",
    walls={"train": ("game",), "dev": (), "sealed": ()},
    smoke=("game",),
    settings={"crossings": 10},
    smoke_settings={"crossings": 1},
    referee="tests.toy_problem.referee",
    rule="tests.toy_problem.rule",
    pack=lambda game: game.encode(),
    check=lambda source: [],
    score=lambda artifacts: Score(0.0, {}, {}),
)
