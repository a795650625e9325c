"""The studies among the commands ``nasurge meta``: few-shot, latency, transfer and warm-start."""

from __future__ import annotations

from ..search.studies.options import (
    FewShotOptions,
    LatencyOptions,
    TransferOptions,
    WarmStartOptions,
)
from .options import command_of, run_and_print


def _few_shot(options: FewShotOptions, as_json: bool) -> None:
    """Meta-train few-shot learners for the same time and test them on classes never seen.

    Every episode has some new classes, a few images of each to learn from, and others to classify.
    Accuracies have 95 % intervals over episodes, or over trials where there are several. Try:

        nasurge meta few-shot --seconds 20 --shots 1
    """
    from ..search.studies import FewShotStudy

    run_and_print(FewShotStudy(options), as_json=as_json)


def _latency(options: LatencyOptions, as_json: bool) -> None:
    """Measure how well latencies on a new device are told from ten measurements.

    What the known devices teach is adapted to each device that is left out by a few measurements
    there, and ranks all other architectures. Prints Spearman correlations with 95 % intervals over
    trials. Try, with a file of your own:

        nasurge meta latency latencies.npz --table nb201 -n 5,10,20
    """
    from ..search.studies import LatencyStudy

    run_and_print(LatencyStudy(options), as_json=as_json)


def _transfer(options: TransferOptions, as_json: bool) -> None:
    """Measure what earlier tasks say of a new one, with no and with few labels of it.

    In each trial all methods learn the same labels of earlier tasks and, but for those that choose
    (anchors), of the new one, and rank all other architectures. Prints Kendall's tau with 95 %
    intervals over trials. Try:

        nasurge meta transfer nbgraph/cora,nbgraph/citeseer --to nbgraph/pubmed --trials 3
    """
    from ..search.studies import TransferStudy

    run_and_print(TransferStudy(options), as_json=as_json)


def _warm_start(options: WarmStartOptions, as_json: bool) -> None:
    """Search each task from what was learnt on the others, and tell what that saves.

    The same command goes on in its folder, also with more --seeds. Try:

        nasurge meta warm-start --tasks digits,glyphs#GREEK,glyphs#ARABIC --seeds 1
    """
    from ..search.studies import WarmStartStudy

    run_and_print(WarmStartStudy(options), as_json=as_json)


few_shot = command_of(
    FewShotOptions, _few_shot, moved={"--evaluate": "nasurge meta evaluate [FILE]"}
)
latency = command_of(LatencyOptions, _latency)
transfer = command_of(TransferOptions, _transfer)
warm_start = command_of(WarmStartOptions, _warm_start)
