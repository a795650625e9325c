"""Metrics, comparisons, trained networks, studies and reports."""
