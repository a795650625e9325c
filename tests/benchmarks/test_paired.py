"""Paired comparison: differences, tests and ranks against SciPy and by hand."""

import json

import numpy as np
import pytest
from pages import shown
from scipy.stats import friedmanchisquare, wilcoxon

import nasurge
from nasurge.benchmarks import mean_ranks, paired_differences
from nasurge.benchmarks.studies.paired import paired_entries, paired_table, ranks_picture
from nasurge.errors import LabelError, ParameterError

RNG = np.random.default_rng(0)
HARD = RNG.normal(size=12)
METHODS = {
    "good": HARD + 1 + RNG.normal(0, 0.1, 12),
    "fair": HARD + RNG.normal(0, 0.1, 12),
    "same": HARD + RNG.normal(0, 0.1, 12),
}


def test_a_difference_that_the_spread_of_blocks_hides_is_seen() -> None:
    good, _, same = paired_differences(METHODS)
    assert (good["a"], good["b"]) == ("good", "fair")
    assert (good["wins"], good["ties"], good["losses"]) == (12, 0, 0)
    assert 0.8 < good["difference"]["low"] < good["difference"]["mean"] < 1.2
    assert good["p"] == wilcoxon(METHODS["good"], METHODS["fair"]).pvalue
    assert good["p_holm"] == pytest.approx(3 * good["p"])  # the least of three
    assert same["p_holm"] > 0.05


def test_ties_and_missing_values_are_left_out_of_the_test() -> None:
    a = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, np.nan])
    b = np.array([1.0, 1.5, 2.0, 3.5, 6.0, 4.0, 1.0])
    [pair] = paired_differences({"a": a, "b": b})
    assert (pair["wins"], pair["ties"], pair["losses"]) == (4, 1, 1)
    assert pair["difference"]["n"] == 6
    assert pair["p"] == wilcoxon((a - b)[1:6]).pvalue
    [equal] = paired_differences({"a": b, "b": b})
    assert (equal["ties"], equal["p"]) == (7, 1.0)


def test_few_blocks_have_no_test() -> None:
    [pair] = paired_differences({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.0, 0.0, 0.0, 0.0]})
    assert pair["p"] is pair["p_holm"] is None
    assert pair["difference"]["values"] == [1, 2, 3, 4]


def test_ranks_are_those_of_friedmans_test() -> None:
    ranks = mean_ranks(METHODS)
    n, k = 12, len(ranks)
    statistic = 12 * n / (k * (k + 1)) * sum((rank - (k + 1) / 2) ** 2 for rank in ranks.values())
    assert statistic == pytest.approx(friedmanchisquare(*METHODS.values()).statistic)


def test_values_of_other_lengths_are_refused() -> None:
    with pytest.raises(LabelError, match=r"a \(2,\), b \(3,\)"):
        paired_differences({"a": [1, 2], "b": [1, 2, 3]})


def test_no_interval_is_wider_than_what_can_be() -> None:
    values = {"a": [1.0, 1.0, 1.0, 1.0, -1.0], "b": [-1.0, -1.0, -1.0, -1.0, 1.0]}
    [free] = paired_differences(values)
    [bound] = paired_differences(values, span=2)
    assert free["difference"]["high"] > 2
    assert bound["difference"]["high"] == 2
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ParameterError, match="span"):
            paired_differences(values, span=wrong)


def test_tasks_are_blocks_by_their_means() -> None:
    rng = np.random.default_rng(1)
    tasks = {
        ("t", str(k)): {
            "good": k + 1 + rng.normal(0, 5, 10),
            "bad": k + rng.normal(0, 5, 10),
        }
        for k in range(6)
    }
    entries = paired_entries("tau", tasks, spans=dict.fromkeys(tasks, np.inf))
    assert [entry["blocks"] for entry in entries] == ["trials"] * 6 + ["tasks"]
    means = [blocks["good"].mean() - blocks["bad"].mean() for blocks in tasks.values()]
    assert entries[-1]["difference"]["mean"] == pytest.approx(np.mean(means))
    assert entries[-1]["table"] == "all tasks"
    table = paired_table(entries)
    assert len(table.rows) == 7
    # Seen from the leader no mean rank is better, whichever method the pair named first.
    assert {row[1] for row in table.rows} <= {"good", "bad"}
    assert len(ranks_picture(entries).panels) == 7


def test_a_comparison_and_a_search_say_it(tmp_path) -> None:
    out = tmp_path / "compare"
    found = nasurge.compare("nbgraph/proteins", "ridge,gp", n_train=20, trials=6, jobs=1, out=out)
    [pair] = found.paired
    every = [entry for entry in found.summary if not entry["unseen_functions_only"]]
    taus = {entry["predictor"]: entry["kendall_tau"]["mean"] for entry in every}
    assert pair["difference"]["mean"] == pytest.approx(taus[pair["a"]] - taus[pair["b"]])
    assert pair["wins"] + pair["ties"] + pair["losses"] == 6
    assert "Differences" in (out / "report.html").read_text(encoding="utf-8")
    assert json.loads((out / "summary.json").read_text())["paired"] == found.paired
    out = tmp_path / "search"
    searched = {"searcher": "random,local", "budget": 10, "trials": 6, "jobs": 1, "out": out}
    found = nasurge.search("nbgraph/proteins", **searched)
    [pair] = found.paired
    reached = {entry["searcher"]: entry["selected"]["mean"] for entry in found.summary}
    assert pair["difference"]["mean"] == pytest.approx(reached["random"] - reached["local"])
    assert "Differences" in (out / "report.html").read_text(encoding="utf-8")


def test_the_lines_of_the_page_run(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, names = shown("read-a-report.md")
    assert names["pair"]["a"] == "ridge"
