"""The shape of the code itself: imports point one way, and our package names are ours alone."""

import ast
import importlib
import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("problems", "sandbox", "memory", "tools", "agents", "equilibrist")
SOLE_IMPORTERS = {
    "langgraph": {"agents/graph.py"},
    "chromadb": {"memory/chroma.py"},
    "docker": {"sandbox/docker.py"},
    "ray": {"sandbox/cluster.py"},
}


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_one_way(layer):
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    wrong = {
        str(path.relative_to(ROOT)): sorted(imported(path) & above)
        for path in (ROOT / layer).rglob("*.py")
        if imported(path) & above
    }
    assert not wrong


@pytest.mark.parametrize("package", SOLE_IMPORTERS)
def test_one_file_imports_each_framework(package):
    importers = {
        str(path.relative_to(ROOT))
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
        if package in imported(path)
    }
    assert importers == SOLE_IMPORTERS[package]


def test_no_other_distribution_claims_our_names():
    owners = importlib.metadata.packages_distributions()
    for layer in LAYERS:
        assert set(owners.get(layer, [])) <= {"equilibrist"}
        module = importlib.import_module(layer)
        assert Path(module.__file__).is_relative_to(ROOT)


def test_files_stay_small():
    long = {
        str(path.relative_to(ROOT))
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
        if len(path.read_text().splitlines()) > 420
    }
    assert not long
