"""Must not resolve a name: each query could carry data out."""

import socket

# Names of this machine only, and a datagram socket that is connected but never sends: nothing leaves a
# sandbox that fails.
attempt("local name", lambda: socket.gethostbyname("localhost"))
attempt("local service", lambda: socket.getaddrinfo("localhost", "domain"))
attempt("query by hand", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 53)))
