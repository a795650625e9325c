"""Contracts that a plug-in's tests call."""
