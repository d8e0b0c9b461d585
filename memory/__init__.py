"""What was tried and what was learnt."""
