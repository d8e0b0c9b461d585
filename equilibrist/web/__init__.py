"""``equilibrist serve``: the laboratory in a browser."""
