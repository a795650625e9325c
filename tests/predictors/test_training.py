"""Early stopping: it stops, it keeps the best weights, and the contract holds with it."""

from functools import partial

import numpy as np
import pytest
import torch
from predicting import SPACES, labelled, quick_parameters
from scipy.stats import kendalltau

from nasurge.data.tables import Table
from nasurge.errors import ParameterError
from nasurge.predictors.neural import training
from nasurge.predictors.neural.losses import mse
from nasurge.registry import make_predictor
from nasurge.testing.predictor import predictor_contract


def test_training_stops_early_and_the_best_weights_are_kept(monkeypatch) -> None:
    """Held-out losses are scripted: least at the fourth look, so at step 20 of 200."""
    script = iter([5.0, 4.0, 4.5, 1.0, *[2.0] * 50])
    seen: list[torch.Tensor] = []

    def scripted(module: torch.nn.Module, inputs, targets: torch.Tensor) -> float:
        assert len(inputs[0]) == len(targets) == 6
        seen.append(module.weight.detach().clone())
        return next(script)

    monkeypatch.setattr(training, "ranking_loss", scripted)
    module = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
    module.weight = module[0].weight
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.normal(size=(30, 3)), dtype=torch.float32)
    settings = {"criterion": mse, "batch_size": 8, "learning_rate": 0.1, "weight_decay": 0.0}
    steps = training.train(module, [x], x.sum(1), steps=200, rng=rng, patience=40, **settings)
    assert steps == 60
    assert len(seen) == 12
    assert torch.equal(module[0].weight, seen[3])
    assert not torch.equal(seen[3], seen[-1])


def test_held_out_ties_do_not_stop_the_training() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0))
    rng = np.random.default_rng(0)
    x = torch.as_tensor(rng.normal(size=(10, 3)), dtype=torch.float32)
    targets = torch.zeros(10)
    settings = {"criterion": mse, "batch_size": 8, "learning_rate": 0.1, "weight_decay": 0.0}
    assert training.train(module, [x], targets, steps=50, rng=rng, patience=5, **settings) == 50


@pytest.mark.parametrize("name", ["mlp", "gin"])
def test_patience_saves_steps_and_still_ranks(name: str, analog: Table) -> None:
    y = analog.values(task="cifar10", metric="baseline_accuracy")
    train = np.random.default_rng(0).choice(len(y), 100, replace=False)
    model = make_predictor(name, analog.space, patience=20, seed=0)
    scores = model.fit(analog.codes[train], y[train]).predict(analog.codes[::20])
    assert model.steps_ < model.steps
    # 12 seeds gave 0.78 to 0.91; a random ranking has |tau| < 0.1.
    assert kendalltau(scores, y[::20])[0] > 0.5
    whole = make_predictor(name, analog.space, steps=30, seed=0)
    assert whole.fit(analog.codes[train], y[train]).steps_ == 30
    with pytest.raises(ParameterError, match="patience"):
        model.set_params(patience=0).fit(analog.codes[train], y[train])


@pytest.mark.parametrize("name", ["mlp", "gin"])
def test_the_contract_holds_with_patience(name: str) -> None:
    make = partial(make_predictor, name, SPACES["nb201"], patience=30, **quick_parameters(name))
    predictor_contract(make, *labelled(SPACES["nb201"]))
