"""A researcher that is no language model: it plays all three roles by mutating and crossing syntax trees."""

from agents.genetic.model import GeneticResearcher

__all__ = ["GeneticResearcher"]
