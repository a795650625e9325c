"""Plugging in: our searchers in an Optuna study, our spaces in pymoo, and the page about it."""

import re
from pathlib import Path

import numpy as np
import optuna
import pytest
from pymoo.algorithms.soo.nonconvex.ga import GA
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.operators.sampling.rnd import IntegerRandomSampling
from pymoo.optimize import minimize

import nasurge
from nasurge.errors import ParameterError
from nasurge.search.plugs import ArchitectureProblem
from nasurge.search.plugs.optuna_sampler import NASurgeSampler, space_of

optuna.logging.set_verbosity(optuna.logging.WARNING)
CHOICES = ["none", None, 3, 5.5]
SPACE = {f"x{k}": optuna.distributions.CategoricalDistribution(CHOICES) for k in range(4)}


def make(space):
    return nasurge.make_searcher("evolution", space, population_size=5, seed=0)


def objective(trial: optuna.Trial) -> float:
    return sum(CHOICES.index(trial.suggest_categorical(f"x{k}", CHOICES)) for k in range(4))


def test_a_known_space_is_never_asked_twice_and_the_best_is_found() -> None:
    study = optuna.create_study(direction="maximize", sampler=NASurgeSampler(make, SPACE, seed=0))
    study.optimize(objective, n_trials=120)
    asked = [tuple(t.params.values()) for t in study.trials]
    assert len(set(asked)) == 120
    assert study.best_value == 12


def test_an_infinite_value_is_a_failure_to_the_searcher_and_a_value_to_optuna() -> None:
    study = optuna.create_study(direction="maximize", sampler=NASurgeSampler(make, SPACE, seed=0))

    def diverging(trial: optuna.Trial) -> float:
        return {3: float("inf"), 4: -float("inf")}.get(trial.number, objective(trial))

    study.optimize(diverging, n_trials=12)
    assert [trial.value for trial in study.trials[3:5]] == [float("inf"), -float("inf")]


def test_minimised_failed_pruned_and_foreign_trials_are_told() -> None:
    searchers = []

    def kept(space):
        searchers.append(make(space))
        return searchers[-1]

    def faulty(trial: optuna.Trial) -> float:
        value = objective(trial)
        if trial.number == 2:
            raise optuna.TrialPruned
        if trial.number == 3:
            raise ValueError
        trial.suggest_float("rest", 0, 1)  # not the searcher's
        return value

    study = optuna.create_study(sampler=NASurgeSampler(kept, SPACE, seed=0))
    params = dict.fromkeys(SPACE, 5.5)
    study.add_trial(optuna.trial.create_trial(value=12.0, params=params, distributions=SPACE))
    study.optimize(faulty, n_trials=10, catch=(ValueError,))
    (searcher,) = searchers
    assert len(searcher.values_) == 11
    assert searcher.values_[0] == -12.0
    assert np.isnan(searcher.values_).sum() == 2
    assert study.best_value == -np.nanmax(searcher.values_)


def test_a_study_goes_on_with_a_new_sampler_and_an_unknown_space() -> None:
    storage = optuna.storages.InMemoryStorage()
    for _ in range(2):
        study = optuna.create_study(
            study_name="s",
            storage=storage,
            load_if_exists=True,
            sampler=NASurgeSampler(make, seed=0),
            direction="maximize",
        )
        study.optimize(objective, n_trials=30)
    asked = [tuple(t.params.values()) for t in study.trials]
    assert len(set(asked)) == len(asked) == 60


def test_what_a_searcher_cannot_choose_is_refused() -> None:
    space = {"x": optuna.distributions.FloatDistribution(0, 1)}
    with pytest.raises(ParameterError, match="parameter 'x'"):
        NASurgeSampler(make, space)
    steps = optuna.distributions.FloatDistribution(0.0, 1.0, step=0.25)
    assert space_of({"x": steps}).cardinalities == (5,)


def test_pymoo_stays_within_the_rules_of_a_space() -> None:
    space = nasurge.make_space("transnas-macro")

    def modules(codes: np.ndarray) -> np.ndarray:
        assert space.is_valid(codes).all()
        present = (codes > 0).sum(axis=1).astype(float)
        return np.stack([np.where(codes[:, 0] == 1, np.nan, present), -present], axis=1)

    problem = ArchitectureProblem(space, modules, bounds=[-np.inf, -5.0])
    algorithm = GA(
        pop_size=30,
        sampling=IntegerRandomSampling(),
        crossover=SBX(vtype=float, repair=RoundingRepair()),
        mutation=PM(vtype=float, repair=RoundingRepair()),
    )
    found = minimize(problem, algorithm, ("n_gen", 15), seed=0)
    assert found.F == [-5.0], "five modules: six are beyond the bound"
    assert space.is_valid(found.X[None].astype(int)).all()
    out = problem.evaluate(np.zeros((1, 6)), return_as_dictionary=True)
    assert out["G"][0, 0] == 1.0, "no network has no module"
    with pytest.raises(ParameterError, match="at least one objective"):
        ArchitectureProblem(space, modules, n_objectives=2, bounds=[0.0])


@pytest.mark.parametrize("page", ["plug-into-a-search", "resume-a-search"])
def test_the_code_of_a_page_runs(page: str, tmp_path: Path, monkeypatch) -> None:
    text = (
        Path(__file__).parent.parent.parent / "docs" / "guide" / "how-to" / f"{page}.md"
    ).read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, page, "exec"), {})  # noqa: S102 -- our own page
