"""``make bench``: how fast we are, beside the libraries one would use instead, in one run.

A section is a file with ``rows(quick) -> Iterator[Row]``, named in ``__main__.SECTIONS``. Whatever is timed
runs in a process of its own (``measure.measured``), on one thread: a function of ``ours.py`` or ``peers.py``.
"""
