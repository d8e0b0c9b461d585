"""What goes into the sandbox's image, and the name that follows from it.

The referee's half and the candidate's half each get the modules of ours that they import and
nothing else: no game, no baseline, no wall. Does not talk to Docker; see sandbox/docker.py.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import llvmlite.binding as llvm

from sandbox.job import Unavailable

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "3.11"
"""Python of both base images (Dockerfile, `make base`), whatever runs on the host."""
PACKAGES = ("landlock", "numba", "numpy", "pettingzoo", "pydantic", "pyseccomp", "scipy", "torch")
UNUSED = ("bin", "share", "torch/include", "torch/share", "torch/test")
"""What pip installs and no program can want: 150 MB."""


def halves() -> dict[str, list[str]]:
    """Files of each half by its user, relative to the root, sorted."""
    folders = (ROOT / "problems", ROOT / "sandbox/attacks")
    problems = [str(path.relative_to(ROOT)) for folder in folders for path in folder.glob("*/referee.py")]
    return {
        "referee": closure(["sandbox/referee.py", "sandbox/numba_cache.py", *problems]),
        "candidate": closure(["sandbox/candidate.py"]),
    }


def closure(modules: Iterable[str]) -> list[str]:
    """`modules` and all modules of ours that they import by name, directly or not (absolute imports).

    A package's ``__init__`` that nothing is imported from stays out, and in the image that package is a
    namespace: on the host it may hold what a half must not have.
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(ROOT / path)
    return sorted(found)


def packages_tag() -> str:
    """Name of the image that holds Python and the packages."""
    return f"equilibrist-packages:{_digest(_packages_parts())}"


def code_tag() -> str:
    """Name of the image that a sandbox of this very source tree runs in, compiled for this very processor."""
    files = sorted({path for paths in halves().values() for path in paths} | {"Dockerfile.code"})
    parts = [f"{path}\n".encode() + (ROOT / path).read_bytes() for path in files]
    parts.append(f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}".encode())
    return f"equilibrist:{_digest(_packages_parts() + parts)}"


def lay_out_packages(context: Path) -> None:
    """Fills the build context of the packages image: pip's choice for the constraints, pruned.

    Raises Unavailable when pip cannot find or reach what is needed.
    """
    site = context / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site), "--no-compile"]
    command += ["--only-binary", ":all:", "--python-version", PYTHON]
    command += ["--constraint", str(ROOT / "constraints.txt"), *PACKAGES]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Unavailable(f"pip cannot fetch the image's packages: {' '.join(errors)[-500:]}")
    for name in UNUSED:
        shutil.rmtree(site / name, ignore_errors=True)
    shutil.copy(ROOT / "Dockerfile", context)


def lay_out_code(context: Path) -> None:
    """Fills the build context of the image itself: one folder per user."""
    for user, files in halves().items():
        for path in files:
            target = context / user / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, target)
    shutil.copy(ROOT / "Dockerfile.code", context / "Dockerfile")


def _packages_parts() -> list[bytes]:
    try:
        texts = [(ROOT / name).read_bytes() for name in ("Dockerfile", "constraints.txt")]
    except FileNotFoundError as error:
        raise Unavailable(
            f"the image is built from a checkout of the project: {error.filename} is missing"
        ) from None
    return [*texts, " ".join((PYTHON, *PACKAGES, *UNUSED)).encode()]


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:12]


def _imports(path: Path) -> list[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update(_module(node.module, alias.name) for alias in node.names)
    ours = (name.replace(".", "/") for name in names if name.startswith(("problems.", "sandbox.")))
    return [
        file for name in ours for file in (f"{name}.py", f"{name}/__init__.py") if (ROOT / file).is_file()
    ]


def _module(package: str, name: str) -> str:
    """The module that ``from package import name`` reads: a submodule, or the package itself."""
    submodule = ROOT / package.replace(".", "/") / name
    return f"{package}.{name}" if submodule.with_suffix(".py").is_file() or submodule.is_dir() else package
