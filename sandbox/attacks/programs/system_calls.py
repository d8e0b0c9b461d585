"""Must not use the kernel's interfaces that a learning rule has no use for: most of its faults were in these."""

CALLS = {
    "unshare": (0x10000000,),
    "setns": (-1, 0),
    "mount": (0, b"/", 0, 0, 0),
    "chroot": (b"/",),
    "pivot_root": (b"/", b"/"),
    "bpf": (0, 0, 0),
    "perf_event_open": (0, 0, -1, -1, 0),
    "userfaultfd": (0,),
    "io_uring_setup": (1, 0),
    "keyctl": (0, -3, 0, 0, 0),
    "add_key": (0, 0, 0, 0, 0),
    "memfd_create": (b"x", 0),
    "personality": (0xFFFFFFFF,),
    "shmget": (1, 4096, 0),
    "msgget": (1, 0),
    "semget": (1, 1, 0),
    "kexec_load": (0, 0, 0, 0),
    "setpriority": (0, 0, 0),
    "setrlimit": (9, b"\xff" * 16),
    "prctl": (4, 1, 0, 0, 0),
    "seccomp": (2, 0, 0),
    "timer_create": (0, 0, b"\0" * 8),
    "modify_ldt": (0, 0, 0),
}
for name, arguments in CALLS.items():
    attempt(name, lambda name=name, arguments=arguments: refused(syscall(name, *arguments)))
