"""``equilibrist report``: a session as one self-contained page, and as Markdown with figures."""
