"""Must not load machine code by the libraries that it is given: torch's extensions, compilers, files of tensors."""

import os

import torch

os.environ["TORCH_EXTENSIONS_DIR"] = os.path.dirname(FACTS["canary"]) + "/extensions"
SOURCE = "int one() { return 1; }"


def extension():
    from torch.utils import cpp_extension

    return cpp_extension.load_inline("one", SOURCE, functions=["one"])


attempt("C++ extension", extension)
attempt("library of operators", lambda: torch.ops.load_library("libnss_files.so.2"))
attempt("library of classes", lambda: torch.classes.load_library("libnss_files.so.2"))
attempt("torch.compile", lambda: torch.compile(lambda x: x + 1)(torch.ones(1)))
attempt("shared file", lambda: torch.from_file("/dev/shm/equilibrist-attack", shared=True, size=8))
attempt("shared tensor", lambda: torch.ones(2).share_memory_())
attempt("save", lambda: torch.save(torch.ones(1), os.path.dirname(FACTS["canary"]) + "/tensor"))
