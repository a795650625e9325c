"""Names of the zero-cost proxies, and which are computed together."""

# The proxies of one group are computed together: the first has a forward and backward pass in
# common, the last needs none.
PROXY_GROUPS = (
    ("epe_nas", "fisher", "grad_norm", "jacov", "l2_norm", "nwot", "plain", "snip"),
    ("grasp",),
    ("synflow",),
    ("zen",),
    ("params", "flops"),
)
SYNTHETIC_GROUPS = (("fourier",), ("genas",), ("gennas",))
PROXIES = tuple(sorted(name for group in PROXY_GROUPS for name in group))
"""Names of the published proxies of an untrained network."""
SYNTHETIC = tuple(name for group in SYNTHETIC_GROUPS for name in group)
"""Names of the scores on synthetic tasks, see ``nasurge.data.networks.synthetic``."""
