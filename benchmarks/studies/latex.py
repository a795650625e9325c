r"""Tables of a report as LaTeX: booktabs, and any text of a name as what it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from .digits import numeric_columns
from .page import TextTable

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # Other glyphs, or parts of ligatures, in the fonts that a document has by default.
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "`": r"\textasciigrave{}",
    "\N{NO-BREAK SPACE}": "~",
}
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0307\u0308\u030a\u030b\u030c\u0327"
_LETTERS = "ßæÆœŒøØåÅłŁı§¶†‡©®£±×÷µ°–—‘’“”…"  # noqa: RUF001 -- of LaTeX's default fonts
_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (\w+)")
_SMALL = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau"
_SMALL += " upsilon phi chi psi omega"
_CAPITAL = "gamma delta theta lambda xi pi sigma upsilon phi psi omega"  # others look Latin
_OTHER = r"""\providecommand{\otherletter}{}
\protected\def\otherletter#1#2{\ifdefined\Umathchar#1\else\texttt{#2}\fi}
"""
_WIDTHS = (64, 110)  # characters of a row that fit a column of text, and a page in small print
_LONG = 45  # rows that fit a page


def escaped(text: str) -> str:
    r"""Text that LaTeX prints as it stands, in any engine and font.

    Accents are left to LaTeX, which reads UTF-8; Greek becomes formulas. A character that pdfLaTeX
    knows nothing of is printed by its code there, and as itself by LuaLaTeX and XeLaTeX.

    Examples
    --------
    >>> print(escaped("nor_conv_3x3~0 & 50 %"))
    nor\_conv\_3x3\textasciitilde{}0 \& 50 \%
    >>> print(escaped("--budget"), escaped("\N{GREEK SMALL LETTER TAU}"))
    -{}-budget \ensuremath{\tau}
    """
    return re.sub(r"([-'])(?=\1)", r"\1{}", "".join(map(_letter, text)))


def typed(command: str) -> str:
    """Command line that LaTeX prints as it was typed."""
    return rf"\texttt{{{escaped(command)}}}".replace("'", r"\textquotesingle{}")


def _letter(char: str) -> str:
    """One character."""
    if char in _ESCAPES:
        return _ESCAPES[char]
    if (char.isascii() and char.isprintable()) or char in _LETTERS:
        return char
    first, *marks = list(unicodedata.normalize("NFD", char))
    if first.isascii() and first.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return char
    greek = _GREEK.fullmatch(unicodedata.name(char, ""))
    if greek:
        name, capital = greek[2].lower().replace("lamda", "lambda"), greek[1] == "CAPITAL"
        if name in (_CAPITAL if capital else _SMALL).split():
            return rf"\ensuremath{{\{name.capitalize() if capital else name}}}"
    shown = char if char.isprintable() else ""
    return rf"\otherletter{{{shown}}}{{U+{ord(char):04X}}}"


def number(text: str) -> str:
    r"""Cell of a column of numbers, with a minus sign and powers of ten.

    Examples
    --------
    >>> print(number("-0.012 [-0.040, 0.016]"), number("7.1e-11"))
    $-$0.012 [$-$0.040, 0.016] 7.1$\times10^{-11}$
    """
    shown = re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped(text))
    return re.sub(r"(?<=\d)e([+-])0*(\d+)", _power, shown)


def _power(found: re.Match[str]) -> str:
    sign = found[1].strip("+")
    return rf"$\times10^{{{sign}{found[2]}}}$"


def latex_table(table: TextTable, *, caption: str, label: str) -> str:
    r"""Table in an environment of its own, to be included with ``\input``.

    Columns of numbers stand to the right, rows that lead their group are bold. A wide table is
    printed small over both columns of a page; of a wider one text that is the same in all rows
    stands in the caption. A long one goes over several pages.

    Parameters
    ----------
    table : TextTable
    caption, label : str
        The caption is LaTeX already.
    """
    import pandas as pd

    cells, numeric = table.rows, numeric_columns(table.rows, len(table.columns))
    shown, same = list(range(len(table.columns))), list[str]()
    if _width(table, shown) > _WIDTHS[-1]:
        shown, same = _told_apart(table, numeric)
    body = [[number(row[k]) if numeric[k] else escaped(row[k]) for k in shown] for row in cells]
    for line, row in enumerate(body):
        if line in table.best:
            row[:] = [rf"\textbf{{{cell}}}" for cell in row]
            row[0] = (r"\addlinespace " if line else "") + row[0]
    if same:
        caption += f" In all rows: {'; '.join(same)}."
    heads = [escaped(table.columns[k]) for k in shown]
    frame = pd.DataFrame(body, columns=pd.Index(heads), dtype=str)
    size = ("", "\\footnotesize", "\\scriptsize")[
        sum(_width(table, shown) > most for most in _WIDTHS)
    ]
    small = f"{size}\\setlength{{\\tabcolsep}}{{3pt}}\n" if size else ""
    long = len(body) > _LONG
    text = frame.style.hide(axis="index").to_latex(
        hrules=True,
        column_format="".join("r" if numeric[k] else "l" for k in shown),
        caption=caption,
        label=label,
        environment="longtable" if long else "table*" if small else "table",
        position_float=None if long else "centering",
    )
    if long:
        text = f"{{{small}{text}}}\n"
    else:
        text = text.replace("\\centering\n", "\\centering\n" + small, 1)
    return _preamble("booktabs, longtable" if long else "booktabs", text) + text


def latex_figure(file: str, *, caption: str, label: str) -> str:
    r"""Figure environment of a PDF file, to be included with ``\input``.

    Parameters
    ----------
    file : str
        Its name, without the ending.
    caption, label : str
        The caption is LaTeX already.
    """
    lines = [rf"\includegraphics{{{file}}}", rf"\caption{{{caption}}}", rf"\label{{{label}}}"]
    text = "\n".join([r"\begin{figure}", r"\centering", *lines, r"\end{figure}", ""])
    return _preamble("graphicx", text) + text


def _preamble(packages: str, text: str) -> str:
    """Lines before an environment: what it needs."""
    needed = rf"% In the preamble: \usepackage{{{packages}}}" + "\n"
    if r"\otherletter" in text:
        needed += "% Characters that pdfLaTeX does not know are printed by LuaLaTeX and XeLaTeX.\n"
        needed += _OTHER
    return needed


def _width(table: TextTable, shown: Sequence[int]) -> int:
    """Characters of the longest row, with two between columns."""
    return max(sum(len(row[k]) + 2 for k in shown) for row in [table.columns, *table.rows])


def _told_apart(table: TextTable, numeric: Sequence[bool]) -> tuple[list[int], list[str]]:
    """Numbers of the columns that are shown, and what is said once: text, the same in all rows."""
    every = range(len(table.columns))
    alike = [
        k
        for k in every
        if not numeric[k] and len(table.rows) > 1 and len({row[k] for row in table.rows}) == 1
    ]
    same = [f"{escaped(table.columns[k])} {escaped(table.rows[0][k])}" for k in alike]
    return [k for k in every if k not in alike], same
