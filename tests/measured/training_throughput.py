"""Training loop of the package beside a plain one of the same network, in one run.

    python tests/measured/training_throughput.py [--images digits] [--size 16] [--device cpu]

The plain loop is what a person writes by hand: tensors in memory, shuffled batches, mirrored and
shifted images, SGD, one-cycle, an evaluation of the validation images after every epoch. Both have
one thread and run in turn; printed are images a second over all repeats' medians, and their ratio.
"""

import argparse
import time

import numpy as np
import torch
from torch.nn import functional

from nasurge.benchmarks.training import train_network
from nasurge.data.images import load_images
from nasurge.data.networks import build_network
from nasurge.data.spaces import make_space


def plain(network, images, epochs, batch, device, channels_last):
    """Train as one would in a notebook."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network.to(device=device, memory_format=layout)
    x, y = torch.tensor(images.train_x, device=device), torch.tensor(images.train_y, device=device)
    vx, vy = torch.tensor(images.valid_x, device=device), torch.tensor(images.valid_y)
    height, shift, flip = x.shape[2], x.shape[2] // 8, x.shape[1] > 1
    x = functional.pad(x, (shift,) * 4)
    steps = -(-len(y) // batch)
    optimiser = torch.optim.SGD(
        network.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.1, total_steps=epochs * steps)
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(y), device=device).split(batch):
            top, left = torch.randint(2 * shift + 1, (2,)).tolist()  # one shift a batch: cheaper
            part = x[rows, :, top : top + height, left : left + height]
            if flip and torch.rand(()) < 0.5:
                part = part.flip(3)
            loss = functional.cross_entropy(network(part.contiguous(memory_format=layout)), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        network.eval()
        with torch.no_grad():
            right = [
                int((network(a).argmax(1).cpu() == b).sum())
                for a, b in zip(vx.split(1024), vy.split(1024), strict=True)
            ]
    return sum(right) / len(vy)


def main():
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", default="digits")
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    images = load_images(given.images, size=given.size, limit=given.limit)
    space = make_space("nb201")
    found = []
    for code in ([3, 1, 0, 1, 0, 1], [2, 4, 3, 1, 2, 3], [3, 3, 3, 3, 3, 3]):
        for layout in (False, True):

            def network(code=code):
                torch.manual_seed(0)
                return build_network(
                    space,
                    code,
                    classes=len(images.classes),
                    in_channels=images.train_x.shape[1],
                    width=given.width,
                    cells=given.cells,
                )

            def ours(layout=layout, make=network):
                return train_network(
                    make(),
                    images,
                    epochs=given.epochs,
                    device=given.device,
                    channels_last=layout,
                    seed=0,
                )

            def theirs(layout=layout, make=network):
                return plain(make(), images, given.epochs, 64, given.device, layout)

            times = {}
            for run in (ours, theirs) * given.repeats:
                start = time.perf_counter()
                run()
                times.setdefault(run, []).append(time.perf_counter() - start)
            seen = given.epochs * len(images.train_y)
            rates = [seen / np.median(times[run][1:]) for run in (ours, theirs)]
            found.append((space.format([code])[0], layout, *rates))
    print("| cell | channels last | ours, images/s | plain loop | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for name, layout, mine, other in found:
        shown = name.replace("|", "\\|")
        print(f"| {shown} | {layout} | {mine:.0f} | {other:.0f} | {mine / other:.2f} |")


if __name__ == "__main__":
    main()
