"""Networks learn from a teacher, and a teacher is a vector."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nasurge.benchmarks.training import train_network
from nasurge.benchmarks.training.distillation import distillation_loss, embed_teacher
from nasurge.data.images import load_images
from nasurge.data.spaces import make_space
from nasurge.errors import ParameterError
from nasurge.predictors.transfer import Transfer


@pytest.fixture(scope="module")
def images():
    return load_images("digits", limit=300)


def linear(seed: int, classes: int = 10) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


@pytest.fixture(scope="module")
def teacher(images):
    """A teacher that is right on most digits."""
    network = linear(0)
    assert train_network(network, images, epochs=20, device="cpu", seed=0).test_accuracy > 75
    return network


def test_the_loss_is_least_where_the_student_says_what_labels_and_teacher_say() -> None:
    labels, sure = torch.tensor([0, 2]), torch.tensor([[9.0, 0, 0], [0, 0, 9]])
    assert distillation_loss(sure, sure, labels) < distillation_loss(sure, sure.flip(1), labels)
    assert distillation_loss(sure, sure, labels) < distillation_loss(sure.flip(1), sure, labels)
    wanted = torch.tensor([[4.0, 3, 0], [0, 1, 5]])
    student = wanted.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(distillation_loss(student, wanted, labels), student)
    own = torch.tensor(wanted.numpy(), requires_grad=True)
    (by_labels,) = torch.autograd.grad(nn.functional.cross_entropy(own, labels), own)
    torch.testing.assert_close(gradient, by_labels / 2)  # the teacher's part has none there


def test_a_student_learns_from_its_teacher_what_labels_do_not_say(images, teacher) -> None:
    """All labels are wrong in the same way; the teacher knows better."""
    wrong = replace(images, train_y=(images.train_y + 1) % 10)
    alone, student = linear(1), linear(1)
    train_network(alone, wrong, epochs=20, device="cpu", seed=0)
    before = {name: tensor.clone() for name, tensor in teacher.state_dict().items()}
    train_network(student, wrong, epochs=20, device="cpu", seed=0, teacher=teacher)
    for name, tensor in teacher.state_dict().items():
        assert torch.equal(tensor, before[name])

    def right(network: nn.Module) -> float:
        with torch.no_grad():
            answers = network(torch.from_numpy(images.test_x)).argmax(dim=1)
        return float((answers.numpy() == images.test_y).mean())

    assert right(alone) < 0.1
    assert right(student) > 0.5


def test_a_training_with_another_teacher_is_not_gone_on_with(images, teacher, tmp_path) -> None:
    options = {"epochs": 2, "device": "cpu", "seed": 0, "checkpoint": tmp_path / "state"}
    train_network(linear(2), images, teacher=teacher, checkpoint_seconds=0, **options)
    for other in (linear(3), None):
        with pytest.raises(ParameterError, match="another run: teacher differ"):
            train_network(linear(2), images, teacher=other, **options)


def test_a_teacher_of_other_images_is_refused(images) -> None:
    for wrong in (linear(0, classes=4), nn.Sequential(nn.Flatten(), nn.Linear(9, 10))):
        for use in (embed_teacher, lambda t, x: train_network(linear(0), x, teacher=t)):
            with pytest.raises(ParameterError, match="teacher"):
                use(wrong, images)


def test_teachers_of_the_same_images_are_alike_and_the_vector_serves_transfer(
    images, teacher
) -> None:
    again = linear(5)
    train_network(again, images, epochs=20, device="cpu", seed=1)
    found = [embed_teacher(network, images) for network in (teacher, again, linear(6))]
    np.testing.assert_array_equal(found[0], embed_teacher(teacher, images))
    assert found[0][-1] > 0.7 > found[2][-1]  # how often it is right
    assert found[0][-3] < found[2][-3]  # how unsure it is of images
    near, far = (np.linalg.norm(found[0] - other) for other in found[1:])
    assert near < far / 2
    few = [0, 3, 1]  # classes in another order and number are no other length
    assert len(embed_teacher(linear(7, classes=3), images_of(images, few))) == len(found[0])

    space = make_space("nb201")
    codes, y = space.sample(60, seed=0), np.random.default_rng(0).normal(size=60)
    model = Transfer(space, vector=found[1], seed=0)
    tasks = np.repeat(["a", "b"], 30)
    model.fit_tasks(codes, y, tasks, vectors={"a": found[0], "b": found[2]})
    near, far = model.prior.weights(found[1])
    assert near > far


def images_of(images, classes):
    """Return some classes of a set."""
    parts = {}
    for part in ("train", "valid", "test"):
        x, y = getattr(images, f"{part}_x"), getattr(images, f"{part}_y")
        rows = np.isin(y, classes)
        parts |= {f"{part}_x": x[rows], f"{part}_y": np.array([classes.index(k) for k in y[rows]])}
    return replace(images, **parts, classes=tuple(images.classes[k] for k in classes))
