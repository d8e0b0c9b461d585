"""What is researched. Imports nothing of ours."""
