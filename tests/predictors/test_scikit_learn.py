"""Predictors pass those of scikit-learn's own checks that make sense on codes."""

import numpy as np
import pytest
from predicting import FAST, PROXIES, TRANSFER
from sklearn.utils import estimator_checks

from nasurge.data.spaces import ProductSpace
from nasurge.registry import make_predictor, predictor_names

# The number of columns of each check's data; they are categories, as the predictors' tags ask.
CHECKS = {
    "check_dict_unchanged": 3,
    "check_do_not_raise_errors_in_init_or_set_params": 3,
    "check_dont_overwrite_parameters": 3,
    "check_estimator_cloneable": 3,
    "check_estimator_repr": 3,
    "check_estimators_overwrite_params": 2,
    "check_f_contiguous_array_estimator": 3,
    "check_fit1d": 3,
    "check_fit2d_1feature": 1,
    "check_fit_score_takes_y": 3,
    "check_get_params_invariance": 3,
    "check_mixin_order": 3,
    "check_n_features_in": 2,
    "check_no_attributes_set_in_init": 3,
    "check_parameters_default_constructible": 3,
    "check_pipeline_consistency": 3,
    "check_readonly_memmap_input": 2,
    "check_set_params": 3,
    "check_supervised_y_no_nan": 3,
    "check_valid_tag_types": 3,
}
# Zero-cost proxies need networks, which the columns of the checks are not.
NETWORKS = {*PROXIES, "genas", "gennas", "auto-zero-cost"}
# What transfers refuses without earlier tasks.
NAMES = [name for name in predictor_names() if name not in NETWORKS | set(TRANSFER)]
# Checks that a predictor cannot pass, and why.
FAILURES = {("stacking", "check_fit2d_1feature"): "it gives 10 labels, stacking needs 15"}


def total(codes: np.ndarray) -> np.ndarray:
    """A cheap value of each architecture."""
    return codes.sum(axis=1) + 0.01 * codes[:, 0]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_checks_of_scikit_learn(name: str, check: str) -> None:
    if (name, check) in FAILURES:
        pytest.skip(FAILURES[name, check])
    space = ProductSpace([[str(k) for k in range(24)]] * CHECKS[check])
    given = {"cheap": total} if name == "low-fidelity" else FAST.get(name, {})
    predictor = make_predictor(name, space, seed=0, **given)
    getattr(estimator_checks, check)(name, predictor)
