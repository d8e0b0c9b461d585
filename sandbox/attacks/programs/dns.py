"""Must not resolve a name: each query could carry data out."""

import socket

attempt("resolver", lambda: socket.getaddrinfo("example.org", 80))
attempt("local name", lambda: socket.gethostbyname("localhost"))
attempt("query by hand", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("9.9.9.9", 53)))
