"""Programs that try to get out of the sandbox, and the runner that says whether each was held."""
