"""Programs as syntax trees: kinds, interface, simplification and rendering."""

import ast

import pytest

from agents.genetic.interface import narrow, observe, widen
from agents.genetic.kinds import ENTRY, GROUP, SCALAR, TIME, Kinds
from agents.genetic.program import Program, expression, number_of, own_attribute, slots, text
from agents.genetic.render import ancestors_of, render
from agents.genetic.simplify import simplify
from agents.genetic.variation import identity, starved, undefined
from problems.regret import PROBLEM

CFR_PLUS = '''import torch

class Rule:
    """CFR+ (Tammelin 2014): regrets floored at zero, linear averaging."""

    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()          # [sequences]
        self.average = infosets.zeros()          # [sequences]

    def accumulate_average(self, t, policy, regret, reach, opponent_reach):
        # weight of iteration t
        self.average += t * self.infosets.expand(reach) * policy

    def accumulate_regret(self, t, regret, policy):
        self.regrets = torch.clamp(self.regrets + regret, min=0.0)

    def next_policy(self, t, regret):
        return self.infosets.normalise(self.regrets)

    def average_policy(self):
        return self.infosets.normalise(self.average)
'''


def kinds_of_arguments(source: str) -> dict[str, str]:
    names = Kinds(Program(source)).names
    return {name: kind for (method, name), kind in names.items() if not method}


def test_kinds_follow_the_flow_of_values():
    kinds = Kinds(Program(CFR_PLUS))
    assert kinds.attributes == {"regrets": ENTRY, "average": ENTRY}
    assert kinds_of_arguments(CFR_PLUS) == {
        "t": TIME,
        "policy": ENTRY,
        "regret": ENTRY,
        "reach": GROUP,
        "opponent_reach": GROUP,
    }


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("t", TIME),
        ("2 * t", SCALAR),
        ("t ** 1.5 / (t + 1)", SCALAR),
        ("self.infosets.sum(regret)", GROUP),
        ("self.infosets.expand(self.infosets.max(regret))", ENTRY),
        ("torch.where(regret > 0, regret, 0 * regret)", ENTRY),
        ("reach / 2", GROUP),
        ("something_else(3)", SCALAR),
        ("mystery", None),
    ],
)
def test_kinds_of_expressions(code, kind):
    node = ast.parse(code, mode="eval").body
    assert Kinds(Program(CFR_PLUS)).of(node, "accumulate_average") == kind


def test_kinds_of_every_baseline_are_known():
    for source in PROBLEM.baselines.values():
        kinds = Kinds(Program(source))
        assert {kinds.attributes[name] for name in kinds.program.states} <= {ENTRY, GROUP}
        assert kinds_of_arguments(source)["regret"] == ENTRY


def test_signs_tell_weights_from_regrets():
    kinds = Kinds(Program(PROBLEM.baselines["cfr"]))
    assert kinds.signed("regrets")
    assert not kinds.signed("average")
    assert not Kinds(Program(CFR_PLUS)).signed("regrets")


def test_in_place_calls_become_arithmetic():
    program = Program(PROBLEM.baselines["dpcfr_plus"])
    line = program.methods["next_policy"].body[0]
    assert "regret + self.discount(t) * self.regrets" in ast.unparse(line)
    assert "self.average += t * realisation" in ast.unparse(Program(PROBLEM.baselines["cfr_plus"]).tree)


def test_slots_leave_normalised_returns_alone():
    program = Program(CFR_PLUS)
    free = [text(slot.node) for slot in slots(program) if slot.free and slot.method == "next_policy"]
    assert free == ["self.regrets"]


def test_filling_a_slot_changes_that_place_only():
    program = Program(CFR_PLUS)
    slot = next(slot for slot in slots(program) if text(slot.node) == "t")
    slot.fill(expression("_0 ** 2", slot.node))
    assert "t ** 2 * self.infosets.expand(reach)" in render(program)


def test_constants_and_states_get_fresh_names():
    program = Program(PROBLEM.baselines["dcfr"])
    assert own_attribute(program.add_constant("ALPHA", 2)) == "ALPHA_2"
    assert number_of(program.constants["ALPHA_2"].value) == 2
    assert program.add_state("regrets", expression("infosets.ones()")) == "regrets_2"
    assert not undefined(program)


def test_rendering_keeps_comments_and_says_what_the_rule_does():
    program = Program(CFR_PLUS)
    program.methods["next_policy"].body[0] = ast.parse("return self.infosets.softmax(self.regrets)").body[0]
    source = render(program, ancestors_of(program))
    assert "# weight of iteration t" in source
    assert source.count("# [sequences]") == 2
    assert "Evolved from CFR+. " in source
    assert "`next_policy` returns softmax(regrets)" in " ".join(source.split())
    again = Program(source)
    assert ancestors_of(again) == ("CFR+",)
    assert render(again, ancestors_of(again)) == source


def test_rendering_an_unchanged_program_means_the_same():
    for source in PROBLEM.baselines.values():
        program = Program(source)
        assert identity(Program(render(program))) == identity(program)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x * 1 + 0", "x"),
        ("2 * 3 + x", "6 + x"),
        ("x + -0.5", "x - 0.5"),
        ("--x", "x"),
        ("x ** 1", "x"),
        ("torch.clamp(torch.clamp(x, min=0.0), min=0.0)", "torch.clamp(x, min=0.0)"),
        ("torch.clamp(torch.clamp(x, min=0.0), min=1.0)", "torch.clamp(torch.clamp(x, min=0.0), min=1.0)"),
        ("x / 0 * (1 / 0)", "x / 0 * (1 / 0)"),
        ("10 ** 10 ** 10 + x", "10 ** 10 ** 10 + x"),
    ],
)
def test_simplification_folds(before, after):
    program = Program(f"class Rule:\n    def step(self, x):\n        return {before}\n")
    simplify(program)
    assert ast.unparse(program.methods["step"].body[0]) == f"return {after}"


def test_simplification_drops_what_has_no_effect():
    program = Program(
        """class Rule:
    UNUSED = 3
    RATE = 2

    def __init__(self):
        self.kept = 0
        self.dead = 0
        self.fed_by_dead = 0

    def step(self, x):
        local = x + 1
        self.dead = self.dead + x
        self.fed_by_dead += self.dead
        self.kept += self.RATE * x
        if x > 0:
            self.dead = 0
        return self.kept
        x = 3
"""
    )
    simplify(program)
    assert set(program.initial) == {"kept"}
    assert set(program.constants) == {"RATE"}
    assert [ast.unparse(s) for s in program.methods["step"].body] == [
        "self.kept += self.RATE * x",
        "return self.kept",
    ]


ZERO = """class Rule:
    def __init__(self, infosets):
        self.infosets = infosets
        self.regrets = infosets.zeros()
        self.trend = infosets.zeros()

    def next_policy(self, regret):
        self.regrets = self.regrets + regret
        return self.infosets.normalise(BODY)
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self.regrets - (self.trend + 0.5 * regret)", "self.regrets - 0.5 * regret"),
        ("self.trend - regret", "-regret"),
        ("torch.where(regret > 0, regret, regret)", "regret"),
        (
            "torch.where(regret > 0, self.regrets, self.regrets)",
            "torch.where(regret > 0, self.regrets, self.regrets)",  # its condition may give the shape
        ),
        ("torch.where(regret > 0, 1.0, 1.0)", "torch.where(regret > 0, 1.0, 1.0)"),
        ("self.trend + 1.0", "self.trend + 1.0"),
        ("torch.maximum(self.trend, regret) + self.trend", "torch.maximum(self.trend, regret) + self.trend"),
    ],
)
def test_simplification_takes_out_what_is_always_zero_or_chosen_either_way(before, after):
    program = Program(ZERO.replace("BODY", before))
    simplify(program)
    assert ast.unparse(program.methods["next_policy"].body[-1]) == f"return self.infosets.normalise({after})"
    assert ("trend" in program.initial) == ("self.trend" in after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return self.infosets", "self.trend.add_(regret)\n        return self.infosets"),
        ("self.trend = infosets.zeros()", "self.trend = infosets.zeros()\n        self.regrets = self.trend"),
        ("self.trend = infosets.zeros()", "self.trend = self.regrets = infosets.zeros()"),
    ],
)
def test_a_state_that_may_be_changed_in_place_is_not_taken_for_zero(before, after):
    program = Program(ZERO.replace("BODY", "self.regrets + self.trend").replace(before, after))
    simplify(program)
    assert "self.regrets + self.trend" in ast.unparse(program.tree)


def test_baselines_have_nothing_to_simplify():
    for source in PROBLEM.baselines.values():
        program = Program(source)
        before = program.size
        simplify(program)
        assert program.size == before


def test_the_interface_is_learnt_from_programs_and_statement():
    programs = [Program(source) for source in PROBLEM.baselines.values()]
    seen = observe(programs)
    assert set(seen["next_policy"]) == {"t", "realisation", "regret"}
    assert seen["average_policy"] == ()
    assert "discount" not in seen
    told = observe(programs, "`def next_policy(self, t, regret, opponent_reach)` returns a policy")
    assert "opponent_reach" in told["accumulate_average"]


def test_positional_interfaces_stay_as_they_are():
    one = Program("class A:\n    def step(self, x, t):\n        return x\n")
    assert observe([one, one]) == {}


def test_widening_and_narrowing_cancel():
    programs = [Program(source) for source in PROBLEM.baselines.values()]
    interface = observe(programs)
    for program in programs:
        narrow(program, interface)
        before = ast.dump(program.tree)
        widen(program, interface)
        assert ast.dump(program.tree) != before
        narrow(program, interface)
        assert ast.dump(program.tree) == before


def test_helpers_that_nobody_calls_are_dropped():
    programs = [Program(source) for source in PROBLEM.baselines.values()]
    program = Program(PROBLEM.baselines["dpcfr_plus"].replace("self.discount", "float"))
    narrow(program, observe([program, *programs]))
    assert "discount" not in program.methods
    assert set(program.methods) == set(Program(PROBLEM.baselines["cfr"]).methods)


def test_starved_and_undefined_programs_are_seen():
    program = Program(CFR_PLUS.replace("self.regrets + regret", "self.regrets * t"))
    assert starved(program) == {"regrets"}
    assert undefined(Program(CFR_PLUS.replace("+ regret,", "+ self.lost * gone,"))) == {"lost", "gone"}
    assert not undefined(Program(CFR_PLUS))


def test_a_source_without_a_class_is_refused():
    with pytest.raises(ValueError, match="no class"):
        Program("x = 1")
