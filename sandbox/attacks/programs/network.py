"""Must not reach the network: TCP, UDP, raw packets, netlink, unix sockets by path or by abstract name."""

import socket

LOOPBACK = ("127.0.0.1", FACTS["port"])
attempt("tcp", lambda: socket.create_connection(LOOPBACK, timeout=1))
# Connecting a datagram socket asks for a route and sends nothing, so that no packet leaves a sandbox that fails.
attempt("a route outside", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", LOOPBACK))
attempt("ipv6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect(FACTS["unix_socket"]))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).bind("\0equilibrist-attack"))
