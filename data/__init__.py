"""Spaces, encoders, tables and where they come from; imports nothing else of NASurge's rooms."""
