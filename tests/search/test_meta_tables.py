"""Searches that know other tasks: what they may learn from, contracts, and the study."""

import gc
import weakref
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nasurge.benchmarks.intervals import interval
from nasurge.benchmarks.metrics import spearman
from nasurge.benchmarks.objectives import make_problem
from nasurge.data.spaces import make_space
from nasurge.data.tables import Column, Table, build_table, read_task_labels
from nasurge.errors import LabelError, ParameterError, StorageError, UnknownNameError
from nasurge.meta import meta_study
from nasurge.predictors.processes import GroupedGP, function_groups
from nasurge.registry import make_searcher
from nasurge.search.across_tables import (
    CATCH,
    METHODS,
    WARM,
    EarlierTasks,
    MetaEvolution,
    TaskSearcher,
    draw_similarities,
    earlier_problems,
    learn_labels,
    learn_table,
    learn_tasks,
    task_similarities,
    train_controller,
    warm_searcher,
)
from nasurge.search.across_tables.bayes import MetaBayes, learnt_prior, warm_terms
from nasurge.search.base import Values
from nasurge.search.searchers import log_expected_improvement
from nasurge.search.studies import MetaTablesOptions, MetaTablesStudy
from nasurge.search.studies.across_tables import best_values, meta_table, savings
from nasurge.testing.searcher import searcher_contract

SPACE = make_space("transnas-micro")


@pytest.fixture(scope="module")
def known() -> EarlierTasks:
    codes = SPACE.sample(300, seed=0)
    tasks = {
        "convolutions": (codes, (codes >= 2).sum(axis=1) + 0.01 * codes.sum(axis=1)),
        "skips": (codes, (codes == 1).sum(axis=1)),
    }
    return learn_tasks(SPACE, tasks, seed=0)


def made_table(held_out_seed: int) -> Table:
    """Return a table of three tasks; the values of the last are shuffled by a seed."""
    codes = np.unique(SPACE.sample(400, seed=1), axis=0)
    values = {
        "a": (codes >= 2).sum(axis=1) + 0.01 * codes.sum(axis=1),
        "b": (codes == 3).sum(axis=1) + 0.02 * codes[:, 0],
        "c": np.random.default_rng(held_out_seed).permutation(len(codes)),
    }
    measured = [(Column(task, "accuracy", source=f"{task}_acc"), y) for task, y in values.items()]
    roles = {task: (f"{task}_acc", f"{task}_acc") for task in values}
    return build_table("small", SPACE, codes, measured, roles=roles, origin="a test")


@pytest.mark.slow
@pytest.mark.parametrize("method", WARM)
def test_every_method_keeps_the_contract_of_searchers(method: str, known: EarlierTasks) -> None:
    if method == "catch":
        make = partial(CATCH, known, train_controller(known, steps=40, seed=0))
    else:
        make = partial({"meta-bo": MetaBayes, "meta-evolution": MetaEvolution}[method], known)
    searcher_contract(lambda space, **given: make(**given), SPACE)


@pytest.mark.parametrize("method", WARM)
def test_values_of_the_held_out_task_change_nothing_before_the_first_tell(method: str) -> None:
    first, second = (learn_table(made_table(k), "c", seed=0) for k in (0, 1))
    assert np.array_equal(first.scores, second.scores)
    made = [
        CATCH(each, train_controller(each, steps=5, seed=0), seed=0)
        if method == "catch"
        else warm_searcher(method, each, seed=0)
        for each in (first, second)
    ]
    assert np.array_equal(*(searcher.ask(5) for searcher in made))


def test_the_held_out_task_is_not_among_the_sources(nbgraph: Table) -> None:
    sources = [problem.task for problem in earlier_problems(nbgraph, "cora")]
    assert "cora" not in sources
    assert len(sources) == 8


def test_tasks_that_share_their_labels_are_not_learnt_from(nb201: Table) -> None:
    for task in ("cifar10", "cifar10-valid"):
        assert [p.task for p in earlier_problems(nb201, task)] == ["cifar100", "ninapro"]


def test_measured_scores_are_exact_and_the_others_are_filled_in(known: EarlierTasks) -> None:
    codes = SPACE.sample(300, seed=0)
    alike = known.similarity(codes, (codes >= 2).sum(axis=1))
    assert alike[0] > 0.9
    assert alike[0] > alike[1]
    assert np.isfinite(known.scores).all()


def test_weights_follow_what_was_told(known: EarlierTasks) -> None:
    codes = SPACE.sample(60, seed=1)
    assert known.weights(codes[:0], []) == pytest.approx([0.5, 0.5])
    assert known.weights(codes, (codes >= 2).sum(axis=1))[0] > 0.6
    assert known.weights(codes, (codes == 1).sum(axis=1))[1] > 0.6


def test_the_population_holds_the_best_of_the_tasks_and_no_one_twice(known: EarlierTasks) -> None:
    codes = known.population(8, np.random.default_rng(0))
    assert len(np.unique(known.rows(codes))) == 8
    mean = known.expected(np.full(2, 0.5))
    assert mean[known.rows(codes[:1])[0]] == mean.max()


@pytest.mark.parametrize("make", [MetaBayes, MetaEvolution])
def test_a_pool_begins_with_its_own_best(make: type[MetaBayes], known: EarlierTasks) -> None:
    """Of 40 functions drawn from 1,236, each proposed one is the best by some mixture."""
    pool = known.codes[np.random.default_rng(1).permutation(len(known.codes))[:40]]
    scores = known.scores[:, known.rows(pool)]
    mixtures = np.linspace([0.0, 1.0], [1.0, 0.0], 201) @ scores
    proposed = known.rows(make(known, pool=pool, seed=0).ask(3))
    assert proposed[0] == known.rows(pool)[scores.mean(axis=0).argmax()]
    best = np.argsort(-mixtures, axis=1)[:, :3]
    assert set(proposed) <= set(known.rows(pool)[best.ravel()])
    assert len(make(known, pool=pool[:3], seed=0).ask(5)) == 3


def test_the_mutation_distribution_prefers_what_the_best_have(known: EarlierTasks) -> None:
    shares = known.distribution(np.array([1.0, 0.0]))
    assert shares.sum(axis=1) == pytest.approx(np.ones(6))
    assert (shares[:, 2:].sum(axis=1) > 0.8).all()
    assert (shares > 0.01).all()


def test_a_search_that_is_misled_turns_cold(known: EarlierTasks) -> None:
    codes = SPACE.sample(40, seed=3)

    def trust(values: Values) -> float:
        searcher = MetaBayes(known, seed=0)
        assert searcher.trust == 1.0
        searcher.tell(codes, values)
        searcher.ask(1)
        return searcher.trust

    misleading = np.random.default_rng(0).permutation(known.scores[0])[known.rows(codes)]
    assert trust(known.scores[0][known.rows(codes)]) > 0.9
    assert trust(codes[:, 0] + 0.1 * codes[:, 3] + 0.01 * misleading) < 0.5


def test_expected_improvements_count_as_their_processes_do(known: EarlierTasks) -> None:
    codes = SPACE.sample(20, seed=3)
    searcher = MetaBayes(known, seed=0)
    searcher.tell(codes, known.scores[0][known.rows(codes)] + 0.3 * (codes == 1).sum(axis=1))
    searcher.ask(1)
    means, deviations = np.array([[0.0, 1.0], [0.5, -9.0]]), np.array([[1.0, 0.1], [0.2, 1.0]])
    each = [log_expected_improvement(*one, 0.7) for one in zip(means, deviations, strict=True)]
    shares = np.array([searcher.trust, 1 - searcher.trust])
    assert 0 < searcher.trust < 1
    found = np.exp(searcher._scores(means, deviations, 0.7))
    assert found == pytest.approx(shares @ np.exp(each))


def test_the_prior_has_a_place_for_every_hyperparameter(known: EarlierTasks) -> None:
    groups = {**function_groups(SPACE, known.codes)[1], **known.groups(known.codes)}
    prior = learnt_prior(known)
    assert prior is not None
    process = GroupedGP(warm_terms(groups))
    assert prior[0].shape == prior[1].shape == (process.n_hyperparameters,)
    assert (prior[1] >= 0.3).all()
    assert learnt_prior(known.without(0)) is None


def test_cold_gp_ei_is_the_search_that_users_can_run() -> None:
    named = make_searcher("bo", SPACE, predictor="gp", seed=0)
    cold = TaskSearcher("gp-ei", make_problem(made_table(0), "c"), 0)(SPACE, pool=None, seed=0)
    for searcher in (named, cold):
        for _ in range(3):
            codes = searcher.ask(3)
            searcher.tell(codes, codes.sum(axis=1))
    assert np.array_equal(named.codes_, cold.codes_)


def test_methods_are_described_as_their_classes_are() -> None:
    for name, cls in zip(WARM, (MetaBayes, MetaEvolution, CATCH), strict=True):
        assert METHODS[name] == (cls.__doc__ or "").partition("\n")[0]


def test_too_little_to_learn_from_is_a_clear_error(nbgraph: Table) -> None:
    codes = SPACE.sample(60, seed=0)
    with pytest.raises(ParameterError, match="at least one earlier task"):
        learn_tasks(SPACE, {})
    with pytest.raises(LabelError, match="'flat' has"):
        learn_tasks(SPACE, {"flat": (codes, np.ones(60))})
    with pytest.raises(LabelError, match="'few' has 5"):
        learn_tasks(SPACE, {"few": (codes[:5], np.arange(5))})
    for wrong, reason in (
        (np.arange(59), "'a' has 60 architectures"),
        (["high"] * 60, "values of task 'a' are numbers"),
        ([np.inf, *range(59)], "value 0 of task 'a' is infinite"),
    ):
        with pytest.raises(LabelError, match=reason):
            learn_tasks(SPACE, {"a": (codes, wrong)})
    with pytest.raises(UnknownNameError, match="'citeser'; did you mean 'citeseer'"):
        learn_table(nbgraph, "cora", tasks=["citeser", "arxiv"])
    with pytest.raises(ParameterError, match="on the same data"):
        learn_table(nbgraph, "cora", tasks=["cora"])


def test_the_study_reports_every_method_and_the_savings(tmp_path: Path) -> None:
    problem = make_problem(made_table(0), "c")
    settings = {"budget": 8, "trials": 2, "jobs": 1}
    found = meta_study([problem], "evolution,meta-bo,meta-evolution", out=tmp_path, **settings)
    assert [e["method"] for e in found.summary] == ["evolution", "meta-bo", "meta-evolution"]
    for entry in found.summary:
        assert entry["held_out"] == "c"
        assert {"mean", "low", "high", "n", "values", "median", "reached"} == set(entry["queries"])
        assert set(entry["saving"]) == ({"evolution"} if entry["method"] in WARM else set())
        assert 1 <= entry["queries"]["mean"] <= 9
    assert found.summary[1]["sources"] == ["a", "b"]
    assert "best 0.1 %" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "tasks-small.svg").read_text().startswith("<svg")
    with pytest.raises(UnknownNameError):
        meta_study([problem], "meta", out=tmp_path, **settings)
    with pytest.raises(ParameterError, match=r"none of bo, random learns .* leave --from out"):
        meta_study([problem], "bo,random", file="triples.npz", out=tmp_path, **settings)
    study = MetaTablesStudy(MetaTablesOptions([problem], "all,-gp-ei,-catch"))
    kept = ["bo", "evolution", "random", "meta-bo", "meta-evolution"]
    assert [contender.label for contender in study.contenders] == kept


def test_a_saving_is_a_bound_where_searches_missed() -> None:
    """Budget 50, so that 51 is a miss."""
    told = {"evolution": [51, 31], "bo": [10, 30], "meta-bo": [20, 20], "meta-evolution": [51, 29]}
    queries = {("t/a", name): np.tile(each, 3) for name, each in told.items()}
    warm, missed = (savings(queries, "t/a", name, 50, 0) for name in WARM[:2])
    assert (warm["evolution"]["mean"], warm["evolution"]["bound"]) == (1 - 40 / 82, "lower")
    assert (warm["bo"]["mean"], warm["bo"]["bound"]) == (0, None)
    assert missed["bo"]["bound"] == "upper"
    assert missed["evolution"]["bound"] == "unknown"
    shared = {"table": "t", "held_out": "a", "reached_share": 1.0, "queries": interval([20, 20])}
    entries = [
        {**shared, "method": name, "saving": saving}
        for name, saving in (("meta-bo", warm), ("meta-evolution", missed))
    ]
    table = meta_table(entries)
    lines = [row[4:6] for row in table.rows]
    assert [[cell[:5] for cell in line] for line in lines] == [["0 % [", ">51 %"], ["<-100", ""]]
    assert table.columns[4:6] == ["saving to bo", "saving to evolution"]


def test_tasks_of_one_searched_column_count_once(tmp_path: Path) -> None:
    codes = np.unique(SPACE.sample(400, seed=1), axis=0)
    y = (codes >= 2).sum(axis=1) + 0.01 * codes.sum(axis=1)
    measured = [(Column(name, "accuracy", source=name), y * k) for k, name in enumerate("abc", 1)]
    measured.append((Column("a", "accuracy", split="test", source="a_test"), y))
    roles = {"a": ("a", "a_test"), "twin": ("a", "a"), "b": ("b", "b"), "c": ("c", "c")}
    measured.append((Column("twin", "accuracy", source="twin"), y))
    table = build_table("small", SPACE, codes, measured, roles=roles, origin="a test")
    problems = [make_problem(table, task) for task in ("a", "twin", "b")]
    settings = {"budget": 3, "trials": 1, "jobs": 1, "out": tmp_path}
    found = meta_study(problems, "random,meta-bo", **settings)
    overall = [entry for entry in found.summary if entry["held_out"] == "all"]
    assert [entry["tasks"] for entry in overall] == [2, 2]
    assert "saving to random" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_an_experience_stays_as_long_as_its_controller(known: EarlierTasks) -> None:
    """Else a later experience may have its address, and get a controller of other tasks."""
    first = known.without(0)
    controller = warm_searcher("catch", first, seed=0).controller
    assert warm_searcher("catch", first, seed=1).controller is controller
    alive = weakref.ref(first)
    del first
    gc.collect()
    assert alive() is not None


def test_tasks_of_a_label_each_are_learnt_from_a_file(tmp_path: Path) -> None:
    """As MetaD2A's triples: nothing of the table is learnt from, and the file's content counts."""
    table, codes = made_table(0), SPACE.sample(200, seed=2)
    quality = (codes >= 2).sum(axis=1) + 0.01 * codes.sum(axis=1)
    file = tmp_path / "triples.npz"
    np.savez(file, arch=SPACE.format(codes), task=np.arange(200).astype(str), acc=quality)
    known = learn_labels(SPACE, read_task_labels(file, SPACE), seed=0)
    expected = known.expected(np.ones(1))[known.rows(table.codes)]
    assert spearman(expected, (table.codes >= 2).sum(axis=1)) > 0.6
    problem, settings = make_problem(table, "a"), {"budget": 8, "trials": 1, "jobs": 1}
    out = tmp_path / "run"
    found = meta_study([problem], "meta-bo,meta-evolution", file=file, out=out, **settings)
    assert found.summary[0]["sources"][0].startswith("triples.npz ")
    np.savez(file, arch=SPACE.format(codes), task=np.arange(200).astype(str), acc=-quality)
    with pytest.raises(ParameterError, match="sources"):
        meta_study([problem], "meta-bo,meta-evolution", file=file, out=out, **settings)
    other = meta_study(
        [problem], "meta-bo,meta-evolution", file=file, out=tmp_path / "2", **settings
    )
    assert other.rows[0]["architecture"] != found.rows[0]["architecture"]
    with pytest.raises(StorageError, match=r"nothing\.npz"):
        meta_study([problem], "meta-bo", file=tmp_path / "nothing.npz", **settings)


def test_a_search_ends_where_it_reaches_the_best(tmp_path: Path) -> None:
    problem = make_problem(made_table(0), "a")
    found = meta_study([problem], "random", budget=350, trials=3, jobs=1, out=tmp_path)
    goal = best_values(problem)
    queries = []
    for trial in range(3):
        seen = [row["search_value"] for row in found.rows if row["trial"] == trial]
        assert all(value < goal for value in seen[:-1])
        assert len(seen) == 350 or seen[-1] >= goal
        queries.append(len(seen) + (seen[-1] < goal))
    assert found.summary[0]["queries"]["mean"] == np.mean(queries)
    assert min(queries) < 350 < max(queries)
    assert all(len(curve["selected"]) == 350 for curve in found.curves)


def test_a_table_of_one_task_is_refused(analog: Table) -> None:
    with pytest.raises(ParameterError, match="no task on other data"):
        meta_study("nb201-analog/cifar10", "meta-bo", budget=5, trials=1)


def test_the_map_has_a_place_for_every_task() -> None:
    found = task_similarities(made_table(0))
    assert found["tasks"] == ["a", "b", "c"]
    assert np.shape(found["places"]) == (3, 2)
    assert np.diag(found["correlations"]) == pytest.approx(np.ones(3))
    assert found["correlations"][0][1] > found["correlations"][0][2]
    assert len(draw_similarities(found).figures()) == 3
