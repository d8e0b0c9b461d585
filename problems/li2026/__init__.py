"""The regret minimisers of Li, Schultz, Hennes and Lanctot (2026, arXiv 2602.16928), run as they ran them.

Not a research problem: an oracle. ``figures`` holds the published points, ``histories`` the games,
``sweep`` one player's traversal and the exact exploitability, ``algorithms`` the nine update rules,
``rounding`` the powers they need, ``loop`` the evaluation loop. The semantics are those of
``docs/reproduction.md``; what a session searches over follows the textbook (``problems/regret``).
"""
