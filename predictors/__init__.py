"""Predictors: scikit-learn regressors over codes."""
