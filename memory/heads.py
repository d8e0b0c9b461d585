"""The heads of a journal's lines, found without parsing what follows them: half a gigabyte in a second.

Nothing is checked beyond the head: whoever reads a line checks its sum.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

BLOCK = 1 << 20
"""Bytes read at a time: few enough to stay in a processor's cache."""
HEAD = 320
"""Bytes of a line that are looked at."""
_HEAD = re.compile(
    rb'\{"n":(\d+),"time":"([\w:.+-]*)","kind":"(\w*)","key":(null|"(?:[^"\\]|\\.)*"),"data":\{'
    rb'(?:"(?:experiment|number)":(\d+)[,}])?'
)

Place = tuple[int, int]
"""Offset and length in bytes of a line, newline excluded."""


def heads(file: int, start: int) -> Iterator[tuple[Place, re.Match[bytes] | None]]:
    """The whole lines from byte ``start`` on, as of now: where each lies, and its number, time, kind, key
    (JSON) and, where its data begin with one, experiment. None for a line that is no event. A line that is
    still being written is left for later."""
    rest = b""
    while read := os.pread(file, max(BLOCK, len(rest)), start + len(rest)):
        block, begin = rest + read, 0
        end = block.find(b"\n", len(rest))
        while end >= 0:
            yield (start + begin, end - begin), _HEAD.match(block, begin, min(end, begin + HEAD))
            begin = end + 1
            end = block.find(b"\n", begin)
        start, rest = start + begin, block[begin:]
