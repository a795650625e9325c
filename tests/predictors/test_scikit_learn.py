"""Predictors pass scikit-learn's own checks, all of them but those that make no sense on codes."""

from functools import cache

import numpy as np
import pytest
from predicting import quick_parameters, serves
from sklearn.utils.estimator_checks import estimator_checks_generator

from nasurge.data.spaces import ProductSpace
from nasurge.registry import make_predictor, predictor_entry, predictor_names

_WORDS = "wants scikit-learn's words in the error; ours says what the space allows"
_EXACT = "wants 1e-7, networks have single precision; check_whole_arrays of the contract asserts it"
INAPPLICABLE = {
    "check_array_api_input": "needs SCIPY_ARRAY_API; codes are NumPy arrays",
    "check_complex_data": _WORDS,
    "check_dtype_object": "arrays of objects are no codes",
    "check_estimator_sparse_array": _WORDS,
    "check_estimator_sparse_matrix": _WORDS,
    "check_estimator_sparse_tag": _WORDS,
    "check_estimators_empty_data_messages": _WORDS,
    "check_estimators_nan_inf": _WORDS,
    "check_estimators_unfitted": "wants scikit-learn's NotFittedError; ours is a NasurgeError "
    "that needs no scikit-learn, and the same built-ins (ValueError, AttributeError)",
    "check_fit2d_1sample": _WORDS,
    "check_fit2d_predict1d": _WORDS,
    "check_methods_sample_order_invariance": _EXACT,
    "check_methods_subset_invariance": _EXACT,
    "check_n_features_in_after_fitting": _WORDS,
    "check_positive_only_tag_during_fit": "feeds negative numbers, which are no codes",
    "check_requires_y_none": _WORDS,
    "check_supervised_y_2d": "labels in a column are an error, not a warning",
}
# How many columns of whole numbers a check feeds: what the tags of predictors ask for.
COLUMNS = {
    "check_dict_unchanged": 3,
    "check_dont_overwrite_parameters": 3,
    "check_estimators_dtypes": 5,
    "check_estimators_fit_returns_self": 2,
    "check_estimators_overwrite_params": 2,
    "check_estimators_pickle": 3,
    "check_f_contiguous_array_estimator": 3,
    "check_fit2d_1feature": 1,
    "check_fit_check_is_fitted": 2,
    "check_fit_idempotent": 2,
    "check_fit_score_takes_y": 3,
    "check_n_features_in": 2,
    "check_pipeline_consistency": 3,
    "check_readonly_memmap_input": 2,
    "check_regressor_data_not_an_array": 10,
    "check_regressors_int": 10,
    "check_regressors_no_decision_function": 4,
    "check_regressors_train": 10,
}
# Facts that the contract asserts of each predictor, as check_repeats does of fit_idempotent: run on
# two that are quick with so many fits.
TWICE = {
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_pickle",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_regressor_data_not_an_array",
    "check_regressors_int",
    "check_regressors_no_decision_function",
    "check_regressors_train",
}
# Checks that a predictor cannot pass, and why.
FAILURES = {("stacking", "check_fit2d_1feature"): "it gives 10 labels, stacking needs 15"}


@cache
def columns(n: int) -> ProductSpace:
    """The space that has the data of a check as codes: n columns of numbers below 24."""
    return ProductSpace([[str(k) for k in range(24)]] * n)


def total(codes: np.ndarray) -> np.ndarray:
    """A cheap value of each architecture."""
    return codes.sum(axis=1) + 0.01 * codes[:, 0]


@pytest.mark.parametrize("name", predictor_names())
def test_checks_of_scikit_learn(name: str) -> None:
    parameters = quick_parameters(name)
    if predictor_entry(name).needs == "cheap values":
        parameters["cheap"] = total
    # What transfers refuses to fit without earlier tasks, proxies without networks.
    fits = predictor_entry(name).needs != "earlier tasks" and serves(name, columns(3))
    ran = set()
    for n in {3, *COLUMNS.values()}:
        predictor = make_predictor(name, columns(n), seed=0, **parameters)
        for estimator, check in estimator_checks_generator(predictor):
            called = check.func.__name__
            if n != COLUMNS.get(called, 3) or called in INAPPLICABLE or (name, called) in FAILURES:
                continue
            if called not in COLUMNS or (fits and (called not in TWICE or name in {"rf", "xgb"})):
                check(estimator)
                ran.add(called)
    wanted = {"no_attributes_set_in_init", "get_params_invariance", "set_params", "fit1d"}
    assert {f"check_{what}" for what in wanted | {"parameters_default_constructible"}} <= ran
    assert fits == ("check_fit_score_takes_y" in ran)
