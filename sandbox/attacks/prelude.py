# What every attack can use; goes before it, after a line that defines FACTS.
import ctypes as _ctypes
import errno as _errno


def attempt(name, action):
    """Try one way; what comes of it is printed, one line."""
    try:
        result = action()
    except BaseException as error:
        print(f"refused {name}: {type(error).__name__}: {str(error)[:100]}")
    else:
        print(f"BREACH {name}: {str(result)[:100]}")


def syscall(name, *arguments):
    """A system call without its wrapper in the C library; returns -errno on failure."""
    import pyseccomp

    number = pyseccomp.resolve_syscall(pyseccomp.system_arch(), name)
    libc = _ctypes.CDLL(None, use_errno=True)
    words = [_ctypes.c_long(a) if isinstance(a, int) else a for a in (number, *arguments)]
    result = libc.syscall(*words)
    return result if result >= 0 else -_ctypes.get_errno()


def succeeded(result):
    """Passes a result that is no error."""
    if result < 0:
        raise OSError(-result, _errno.errorcode.get(-result, "?"))
    return result


def refused(result):
    """Passes whatever reached the kernel's own code, were it only to be told that the arguments are wrong."""
    if result in (-_errno.EPERM, -_errno.ENOSYS):
        raise OSError(-result, _errno.errorcode[-result])
    return result
