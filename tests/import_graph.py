"""The graph of imports between the modules of the tree, read from the source."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

TYPES_ONLY = "TYPE_CHECKING"


class Tree:
    """Modules of the packages in ``folders``, and what each imports.

    Parameters
    ----------
    folders : mapping from str to Path
        Folder of each top package, as ``setup.cfg`` maps them.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self.paths: dict[str, Path] = {}
        for package, folder in folders.items():
            for path in folder.rglob("*.py"):
                parts = path.relative_to(folder).with_suffix("").parts
                self.paths[".".join([package, *parts]).removesuffix(".__init__")] = path

    def is_package(self, module: str) -> bool:
        """Whether a module is a package."""
        return self.paths[module].name == "__init__.py"

    def home(self, module: str, name: str) -> str:
        """Module that a name comes from when it is imported from ``module``, also by its face."""
        if f"{module}.{name}" in self.paths:
            return f"{module}.{name}"
        face = self.paths[module].with_suffix(".pyi")
        if self.is_package(module) and face.is_file():
            for node in ast.parse(face.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ImportFrom) and any(a.asname == name for a in node.names):
                    return self.home(self.absolute(module, node), name)
        return module

    def absolute(self, module: str, node: ast.ImportFrom) -> str:
        """Full name of the module that a ``from`` names."""
        if not node.level:
            return node.module or ""
        parts = module.split(".")
        base = parts[: len(parts) - node.level + self.is_package(module)]
        return ".".join([*base, *([node.module] if node.module else [])])

    def imports(self, module: str) -> set[str]:
        """Modules of the tree that a module imports when it is loaded or later."""
        found = set()
        tree = ast.parse(self.paths[module].read_text(encoding="utf-8"))
        for node in _run(tree):
            if isinstance(node, ast.ImportFrom):
                source = self.absolute(module, node)
                if source in self.paths:
                    found |= {self.home(source, alias.name) for alias in node.names}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names if alias.name in self.paths}
        return found - {module}

    def cycles(self, *, leave_out: set[tuple[str, str]]) -> list[list[str]]:
        """Groups of modules that import each other, directly or around, each sorted."""
        edges = {
            module: {m for m in self.imports(module) if (module, m) not in leave_out}
            for module in self.paths
        }
        reach = {module: _reachable(edges, module) for module in edges}
        groups = {
            tuple(sorted(m for m in reach[module] if module in reach[m]))
            for module in edges
            if module in reach[module]
        }
        return [list(group) for group in sorted(groups)]


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under ``if TYPE_CHECKING``, which no interpreter runs."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == TYPES_ONLY:
            continue
        yield node
        yield from _run(node)


def _reachable(edges: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(edges[start])
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += edges[module]
    return seen
