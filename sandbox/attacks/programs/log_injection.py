"""Must not write lines into a log or a screen that look like somebody else's: by its message, its lines, its names."""

text = "\x1b[2J\x1b]0;x\x07\r\nok\r\nscore 99.0 \u202e\x9b31m" + "\x00" * 8 + "x" * 100_000
print(text[:200])
Liar = type("\x1b[1mSandboxError\n", (Exception,), {})
raise Liar(text)
