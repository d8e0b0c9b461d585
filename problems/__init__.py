"""What is researched: every problem by name. Imports nothing of ours from outside this folder."""

from problems.learning import PROBLEM as LEARNING
from problems.metasolver import PROBLEM as METASOLVER
from problems.problem import Problem
from problems.regret import PROBLEM as REGRET

PROBLEMS: dict[str, Problem] = {problem.name: problem for problem in (REGRET, METASOLVER, LEARNING)}
