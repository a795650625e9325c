"""CATCH: a controller that infers from a few evaluations what task it is on."""

from __future__ import annotations

from dataclasses import field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...data.arguments import checked
from ...data.devices import one_thread
from ...data.parameters import positive_number, whole_number
from ...data.seeds import Seed, as_generator, torch_seed
from ...data.spaces import Codes, Space
from ...data.types import Values
from ...predictors.neural import OneCycleAdamW
from ..guided import draw_choices
from ..parameters import DeclaredSearcher
from .earlier_tasks import EarlierTasks

_WIDTH = 64
_LATENT = 8
_SHRUNK = 1e-2  # weight of the divergence of the context from a standard normal


class Controller(nn.Module):
    """Encoder of (architecture, value) pairs, policy, and evaluator, small networks each.

    Parameters
    ----------
    space : Space
    """

    def __init__(self, space: Space) -> None:
        super().__init__()
        cardinalities = torch.as_tensor(space.cardinalities)
        most = int(cardinalities.max())
        self.exists = torch.arange(most) < cardinalities[:, None]
        columns = self.exists.numel()
        self.encoder = _network(columns + 1, 2 * _LATENT)
        self.policy = _network(_LATENT, columns)
        self.evaluator = _network(columns + _LATENT, 1)

    def one_hot(self, codes: Codes) -> Tensor:
        """Codes, shape (n, d), as rows of zeros and ones."""
        chosen = torch.as_tensor(codes, dtype=torch.int64)[..., None]
        return (chosen == torch.arange(self.exists.shape[1])).flatten(1).float()

    def context(self, rows: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the context, each (latent,): a product of normal factors.

        One factor a pair, and the standard normal as the prior: with no pairs it is all there is.
        """
        found = self.encoder(torch.cat([rows, values[:, None]], dim=1))
        means, precisions = found[:, :_LATENT], nn.functional.softplus(found[:, _LATENT:])
        precision = 1 + precisions.sum(dim=0)
        return (means * precisions).sum(dim=0) / precision, 1 / precision

    def log_policy(self, context: Tensor) -> Tensor:
        """Logarithms of the probabilities of each value, shape (d, k)."""
        logits = self.policy(context).reshape(self.exists.shape)
        masked = logits.masked_fill(~self.exists, -torch.inf)
        return torch.log_softmax(masked, dim=1)

    def evaluate(self, rows: Tensor, context: Tensor) -> Tensor:
        """Expected value of each architecture, shape (n,)."""
        spread = context.expand(len(rows), _LATENT)
        return torch.as_tensor(self.evaluator(torch.cat([rows, spread], dim=1))[:, 0])


def _network(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, _WIDTH),
        nn.SiLU(),
        nn.Linear(_WIDTH, _WIDTH),
        nn.SiLU(),
        nn.Linear(_WIDTH, outputs),
    )


@checked
def train_controller(
    earlier_tasks: EarlierTasks, *, steps: int = 1500, samples: int = 48, seed: Seed = None
) -> Controller:
    """Controller trained over the earlier tasks.

    In every step a task is drawn, and of it a few evaluated architectures as context: random ones,
    and some among its best, as a search would have seen. The policy's samples are rewarded with
    their values (REINFORCE, with the mean as baseline and an entropy bonus), the evaluator learns
    the values, and the context is held near a standard normal.

    Parameters
    ----------
    earlier_tasks : EarlierTasks
    steps : int
    samples : int
        Architectures that the policy draws in a step.
    seed : int, Generator or None

    References
    ----------
    X. Chen et al. CATCH: Context-based meta reinforcement learning for transferrable architecture
    search. ECCV 2020, arXiv 2007.09380. Its policy is recurrent and learns off-policy; here each
    variable has its own distribution, and it learns on-policy.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.across_tables import learn_tasks
    >>> space = make_space("nb201")
    >>> codes = space.sample(60, seed=0)
    >>> earlier = learn_tasks(space, {"a": (codes, codes.sum(axis=1))}, seed=0)
    >>> train_controller(earlier, steps=5, seed=0).log_policy(torch.zeros(8)).shape
    torch.Size([6, 5])
    """
    rng = as_generator(seed)
    with torch_seed(rng), one_thread():
        controller = Controller(earlier_tasks.space)
        optimiser = OneCycleAdamW(
            list(controller.parameters()), learning_rate=3e-3, weight_decay=1e-4, steps=steps
        )
        for step in range(steps):
            share = step / steps
            loss = _step_loss(controller, earlier_tasks, samples, 0.3 * (1 - share) + 0.02, rng)
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            optimiser.step(step)
    return controller.eval()


def _step_loss(
    controller: Controller,
    earlier_tasks: EarlierTasks,
    samples: int,
    entropy_weight: float,
    rng: np.random.Generator,
) -> Tensor:
    """Loss of one step on a random earlier task."""
    scores = earlier_tasks.scores[rng.integers(len(earlier_tasks.tasks))]
    seen, values = _context_of(earlier_tasks, scores, rng)
    mean, variance = controller.context(controller.one_hot(seen), torch.as_tensor(values))
    noise = torch.as_tensor(rng.standard_normal(_LATENT), dtype=torch.float32)
    context = mean + variance.sqrt() * noise
    divergence = 0.5 * (mean**2 + variance - variance.log() - 1).sum()
    log_policy = controller.log_policy(context)
    drawn = _sampled(earlier_tasks.space, log_policy, samples, rng)
    if not len(drawn):
        return _SHRUNK * divergence
    rows = controller.one_hot(drawn)
    reward = scores[earlier_tasks.rows(drawn)]
    advantage = torch.as_tensor(reward - reward.mean(), dtype=torch.float32)
    finite = log_policy.masked_fill(~controller.exists, 0.0)
    likelihood = rows @ finite.flatten()
    entropy = -(finite.exp() * finite).masked_fill(~controller.exists, 0.0).sum()
    target = torch.as_tensor(reward, dtype=torch.float32)
    error = (controller.evaluate(rows, context) - target) ** 2
    anywhere = rng.integers(len(scores), size=samples)
    wide = controller.evaluate(controller.one_hot(earlier_tasks.codes[anywhere]), context)
    error = torch.cat([error, (wide - torch.as_tensor(scores[anywhere]).float()) ** 2])
    gain = (advantage * likelihood).mean() + entropy_weight * entropy / len(finite)
    return error.mean() - gain + _SHRUNK * divergence


def _context_of(
    earlier_tasks: EarlierTasks, scores: Values, rng: np.random.Generator
) -> tuple[Codes, NDArray[np.float32]]:
    """Up to 40 pairs of a task, some of them good ones, the values standardised."""
    count = int(rng.integers(2, 40))
    rows = rng.integers(len(scores), size=count)
    among = rng.integers(len(scores), size=(count, 50))
    best = among[np.arange(count), scores[among].argmax(axis=1)]
    rows = np.where(rng.random(count) < rng.random(), best, rows)
    return earlier_tasks.codes[rows], _standardised(scores[rows])


def _standardised(values: Values) -> NDArray[np.float32]:
    """Values without mean, divided by their deviation: a new task has its own unit."""
    deviation = values.std() if len(values) > 1 else 0.0
    away = (values - values.mean()) / (deviation if deviation > 0 else 1.0)
    return np.asarray(away, dtype=np.float32)


def _sampled(space: Space, log_policy: Tensor, n: int, rng: np.random.Generator) -> Codes:
    """Up to ``n`` architectures, those left out that break a rule of the space."""
    codes = draw_choices(space, n, log_policy.detach().exp().double().numpy(), rng)
    return codes[space.is_valid(codes)]


class CATCH(DeclaredSearcher):
    """A controller meta-trained over earlier tasks, which adapts by inferring its context.

    All observed values are encoded into the context; the policy under it proposes ``candidates``
    architectures, and the evaluator ranks those not seen yet.

    Parameters
    ----------
    earlier_tasks : EarlierTasks
    controller : Controller, optional
        What ``train_controller`` made of them; trained here if there is none, which takes
        seconds.
    candidates : int
        Architectures drawn from the policy for a batch.
    greed : float
        Share of the proposals that the evaluator picks; the others are the policy's own draws.

    References
    ----------
    X. Chen et al. CATCH: Context-based meta reinforcement learning for transferrable architecture
    search. ECCV 2020, arXiv 2007.09380.

    Examples
    --------
    >>> from nasurge.data.spaces import make_space
    >>> from nasurge.search.across_tables import learn_tasks
    >>> space = make_space("nb201")
    >>> codes = space.sample(60, seed=0)
    >>> earlier = learn_tasks(space, {"a": (codes, (codes == 3).sum(axis=1))}, seed=0)
    >>> CATCH(earlier, train_controller(earlier, steps=5, seed=0), seed=0).ask(3).shape
    (3, 6)
    """

    space: Space = field(init=False)
    earlier_tasks: EarlierTasks = field(kw_only=False)
    controller: Controller | None = field(default=None, kw_only=False)
    candidates: int = whole_number(200)
    greed: float = positive_number(0.7, most=1.0)

    def __post_init__(self) -> None:
        self.space = self.earlier_tasks.space
        super().__post_init__()
        self._controller = (
            train_controller(self.earlier_tasks, seed=0)
            if self.controller is None
            else self.controller
        )

    def _ask(self, n: int) -> Codes:
        context = self._context()
        with torch.inference_mode():
            policy = self._controller.log_policy(context)
            found = self._drawn(policy, max(self.candidates, 2 * n))
            values = self._controller.evaluate(self._controller.one_hot(found), context).numpy()
        if not len(found):
            return found
        ranking = np.argsort(-values, kind="stable")
        own = self._rng.random(len(ranking)) >= self.greed
        order = np.where(own, self._rng.permutation(ranking), ranking)
        proposed: Codes = found[np.concatenate([order, ranking])]  # twice there counts once
        return proposed

    def _drawn(self, policy: Tensor, n: int) -> Codes:
        """Unseen draws from the policy, from a flatter one where nearly all were proposed."""
        found = np.empty((0, self.space.n_variables), self.space.dtype)
        exists = self._controller.exists
        uniform = exists / exists.sum(dim=1, keepdim=True)
        for share in (0.0, 0.1, 0.3):
            mixed = ((1 - share) * policy.exp() + share * uniform).log()
            drawn = _sampled(self.space, mixed, 2 * n, self._rng)
            found = self._unseen(np.concatenate([found, drawn]))[:n]
            if 2 * len(found) >= n:
                break
        return found

    def _context(self) -> Tensor:
        """Mean of the context by all observed values, shape (latent,)."""
        known = ~np.isnan(self.values_)
        if not known.any():
            return torch.zeros(_LATENT)
        values = torch.as_tensor(_standardised(self.values_[known]))
        with torch.inference_mode():
            rows = self._controller.one_hot(self.codes_[known])
            return torch.as_tensor(self._controller.context(rows, values)[0])
