"""Must not take anything with it when the interpreter crashes."""

import ctypes

ctypes.string_at(0)
