"""Must not flood the log (8 MB here), nor reach the terminal of whoever reads it, nor be held up by its pipe."""

print("tried")
print("\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\rERASED\x08\x9b1m \u202egnp.exe")
for _ in range(1000):
    print("x" * 8192)
