"""A predictor, a searcher, a space and a table format for NASurge."""

import json

import numpy as np
from nasurge.data.encoders import Structure
from nasurge.data.sources import refuse_schema
from nasurge.data.spaces import Graphs, Operation, PathSet, Space, make_space
from nasurge.data.tables import Column, build_table
from nasurge.errors import DataFileError, StorageError
from nasurge.predictors.base import Predictor
from nasurge.search.base import Searcher
from sklearn.linear_model import Ridge


class Depth(Predictor):
    """Ridge regression on structural features."""

    minimum_labels = 5
    alpha: float = 1.0

    def _fit(self, codes, z, rng):
        self.encoder_ = Structure(self.space)
        self.model_ = Ridge(self.alpha).fit(self.encoder_.fit_transform(codes), z)

    def _predict(self, codes):
        return self.model_.predict(self.encoder_.transform(codes)), None


class Sweep(Searcher):
    """Local search: the unseen neighbours of the best architecture so far."""

    def _ask(self, n):
        if not np.isfinite(self.values_).any():
            return self._draw(n)
        code, _ = self.best()
        neighbours, _ = self.space.neighbours(code[None])
        return self._rng.permutation(neighbours)


class Tower(Space):
    """Four layers, each skipped, a 3x3 or a 5x5 convolution: 81 networks."""

    name = "tower"
    operations = (
        Operation("skip", "skip"),
        Operation("conv3", "conv", 1.0),
        Operation("conv5", "conv", 1.5),
    )
    cardinalities = (3, 3, 3, 3)

    def _parse(self, string):
        names = [operation.name for operation in self.operations]
        words = string.split("-")
        if len(words) != self.n_variables:
            raise ValueError(f"expected {self.n_variables} layers")
        return [names.index(word) for word in words]

    def format(self, codes):
        names = [operation.name for operation in self.operations]
        return ["-".join(names[value] for value in row) for row in self.check(codes)]

    def paths(self, codes):
        operations = self.check(codes)[:, None, :]
        variables = np.broadcast_to(np.arange(4, dtype=np.int8), operations.shape)
        return PathSet(operations, variables, np.ones((len(operations), 1), dtype=bool))

    def graphs(self, codes):
        codes = self.check(codes)
        n, v = len(codes), self.n_variables + 2
        flow = np.zeros((v, v), dtype=bool)  # input 0 to layer 2, on to the last, to output 1
        flow[[0, 2, 3, 4, 5], [2, 3, 4, 5, 1]] = True
        nodes = np.column_stack([np.zeros(n), np.ones(n), codes + 2]).astype(np.int64)
        return Graphs(nodes, np.broadcast_to(flow, (n, v, v)), np.ones((n, v), dtype=bool))


class TowerJSON:
    """JSON files: one object that gives the accuracy of each ``tower``."""

    @staticmethod
    def accepts(path):
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(1) == b"{"

    @staticmethod
    def read(path, *, name=None, schema=None):
        refuse_schema(schema, path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            accuracies = [float(value) for value in content.values()]
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise DataFileError(f"{path} is no object of accuracies: {error}") from error
        space = make_space("tower")
        column = Column("default", "accuracy", source="accuracy")
        table = build_table(
            name or path.stem,
            space,
            space.parse(list(content)),
            [(column, accuracies)],
            roles={},
            origin=f"file {path.name}",
        )
        return [table]
