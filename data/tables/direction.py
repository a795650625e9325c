"""Which way is better: what the words of a metric's name say by custom."""

from __future__ import annotations

import re

from ..arguments import checked

_COSTS = (
    "latency latencies flop flops gflops mflops mac macs mmacs madd madds param params parameter "
    "parameters time times runtime duration second seconds sec secs ms us ns minutes hours energy "
    "joule joules mj power watt watts memory mem mb kb bytes cost costs carbon emissions "
    "footprint bops lat durée"
)
_LOSSES = (
    "error errors err loss losses regret perplexity ppl nll mse rmse mae mape bpc bpb wer cer fid "
    "crossentropy entropy misclassification ece drop erreur perte fehler verlust"
)
_GAINS = (
    "acc accuracy accuracies auc auroc auprc ap map miou iou f1 score scores precision recall bleu "
    "rouge psnr ssim tau kendall spearman correlation reward fitness gain improvement reduction "
    "saving savings saved speedup throughput fps ips efficiency likelihood dice r2 top1 top5 "
    "quality success hypervolume"
)
_COST_WORDS = frozenset(_COSTS.split())
_LOSS_WORDS = frozenset(_LOSSES.split())
_GAIN_WORDS = frozenset(_GAINS.split())
_SPEED_WORDS = frozenset(["throughput", "fps", "ips", "speedup"])
_NEGATIVE = frozenset(["neg", "negative", "negated", "minus", "inv", "inverse", "inverted"])
_KNOWN = _COST_WORDS | _LOSS_WORDS | _GAIN_WORDS | _NEGATIVE


@checked
def words_of(name: str) -> list[str]:
    """Words of a name in lower case, told apart by signs, capitals and digits.

    Examples
    --------
    >>> words_of("valLoss"), words_of("FLOPs"), words_of("edge_gpu-latency [ms]")
    (['val', 'loss'], ['flops'], ['edge', 'gpu', 'latency', 'ms'])
    """
    found = []
    for chunk in re.findall(r"[^\W_]+", name):
        if chunk.lower() in _KNOWN:
            found.append(chunk.lower())
            continue
        parts = re.findall(r"[^\W\d_A-Z]+|[A-Z]+(?![^\W\d_A-Z])|[A-Z][^\W\d_A-Z]+|\d+", chunk)
        found += [part.lower() for part in parts]
    return found


@checked
def is_minimised(name: str) -> bool | None:
    """Whether smaller is better by the custom of a name; None where it says nothing.

    The last word that says something counts, as in ``accuracy_loss``; a negative turns it round,
    as in ``neg_loss``.

    Examples
    --------
    >>> is_minimised("test_error"), is_minimised("val_acc"), is_minimised("neg_loss")
    (True, False, False)
    >>> is_minimised("x") is None
    True
    """
    words = words_of(name)
    telling = [word for word in words if word in _COST_WORDS | _LOSS_WORDS | _GAIN_WORDS]
    if not telling:
        return None
    cost = telling[-1] not in _GAIN_WORDS
    return cost != bool(_NEGATIVE & set(words))


@checked
def needs_training(name: str, *, minimise: bool) -> bool:
    """Whether a quantity is known after training only, as errors and accuracies are.

    Parameters
    ----------
    name : str
    minimise : bool
        Whether smaller is better: where the name says nothing, such a quantity is a cost.

    Examples
    --------
    >>> needs_training("val_loss", minimise=True), needs_training("latency", minimise=True)
    (True, False)
    >>> needs_training("throughput", minimise=False), needs_training("x", minimise=False)
    (False, True)
    """
    telling = [word for word in words_of(name) if word in _COST_WORDS | _LOSS_WORDS | _GAIN_WORDS]
    if not telling:
        return not minimise
    return telling[-1] not in _COST_WORDS | _SPEED_WORDS
