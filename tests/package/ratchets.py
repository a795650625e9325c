"""What does not keep a rule of the layout yet: lists that only shrink."""

LONG_FUNCTIONS = {
    ("benchmarks/studies/compare_page.py", "compare_report"),
    ("benchmarks/studies/comparing.py", "compare"),
    ("benchmarks/studies/verifying.py", "verify"),
    ("search/studies/fronts_page.py", "front_report"),
    ("search/studies/table_page.py", "search_report"),
}
SAME_NAMES = {
    "BaLeNAS",
    "DDPNAS",
    "DrNAS",
    "Experience",
    "Factory",
    "Known",
    "Ledger",
    "Plain",
    "Relaxation",
    "SMEMNAS",
    "_Loop",
}
