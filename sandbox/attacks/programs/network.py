"""Must not reach the network: TCP, UDP, raw packets, netlink, unix sockets by path or by abstract name."""

import socket

LOOPBACK = ("127.0.0.1", FACTS["port"])
attempt("tcp", lambda: socket.create_connection(LOOPBACK, timeout=1))
attempt("tcp to a public address", lambda: socket.create_connection(("1.1.1.1", 53), timeout=1))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", LOOPBACK))
attempt("ipv6", lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
attempt("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
attempt("unix", lambda: socket.socket(socket.AF_UNIX).connect(FACTS["unix_socket"]))
attempt("abstract", lambda: socket.socket(socket.AF_UNIX).bind("\0equilibrist-attack"))
