"""A researcher that is no language model: it plays all three roles by mutating and crossing syntax trees."""
