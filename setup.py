"""What setup.cfg cannot say: the README as a package index shows it, without our files."""

import re
from pathlib import Path

from setuptools import setup


def shown_alone(text: str) -> str:
    """README whose picture is left out, and whose links to files are those files' names."""
    text = re.sub(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n\n", "", text, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]+)\]\((?!https?:|#)([^)]+)\)", r"\1 (`\2`)", text)


setup(long_description=shown_alone(Path(__file__).with_name("README.md").read_text("utf-8")))
