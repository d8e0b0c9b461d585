"""The regret minimisers of Li, Schultz, Hennes and Lanctot (2026, arXiv 2602.16928), run as that paper ran them.

Not a research problem: an oracle. ``figures`` holds the published points, ``histories`` the games,
``sweep`` one player's traversal and the exact exploitability, ``algorithms`` the nine update rules,
``loop`` the evaluation loop. The semantics are those of ``docs/reproduction.md``; the rules that a
session searches over follow the textbook instead (``problems/regret``).
"""
