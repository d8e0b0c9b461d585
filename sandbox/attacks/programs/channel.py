"""Must not use up the wall: answers in advance, floods in both pipes, descriptors without end sent to the referee."""

import array
import os
import socket

control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=os.dup(5))
for _ in range(10_000):
    try:
        control.sendmsg(
            [b"x" * 100],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [3] * 16))],
            socket.MSG_DONTWAIT,
        )
    except OSError as error:
        print("refused more descriptors:", error)
        break
attempt("another size of the pipe", lambda: refused(syscall("fcntl", 4, 1031, 1 << 20)))
os.write(4, b"." * 4000)
print("tried")
