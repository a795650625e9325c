#!/bin/sh
# The chain of trained networks on a GPU: networks, supernet, differentiable search, resumed and
# shared training. It has NOT been run on a GPU yet: no machine with one was at hand when it was
# written. On a CPU its first two steps have been run; mixed precision, slow there, is left out.
#
#     sh tools/gpu_check.sh [DEVICE]      DEVICE is cuda (default), cuda:1, mps or cpu
set -eu
device=${1:-cuda}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

echo "== supernets, every rule"
for rule in spos fairnas sandwich; do
    nasurge supernet train --device "$device" --rule "$rule" --epochs 2 --evaluate 3 --json
done

echo "== mobile; channels last and, where the device is no CPU, mixed precision"
precision=bfloat16
if [ "$device" = cpu ]; then
    precision=float32
fi
nasurge supernet train --device "$device" --space mobile --epochs 2 --evaluate 3 \
    --precision "$precision" --channels-last --json

echo "== a checkpoint that is gone on from"
for run in 1 2; do
    nasurge supernet train --device "$device" --epochs 2 --evaluate 1 \
        --checkpoint "$folder/supernet.safetensors" --json
done

echo "== differentiable searches"
for method in darts darts-2 gdas drnas balenas ddpnas; do
    nasurge supernet search --device "$device" --method "$method" --epochs 1 --json
done

echo "== stand-alone training beside the table"
nasurge validate nb201-analog/cifar10 --top 2 --spread 3 --learn-from 6 --supernet spos \
    --device "$device" --epochs 1 --jobs 1 --out "$folder/validate" --json

if [ "$device" = cuda ] && [ "$(nvidia-smi -L | wc -l)" -gt 1 ]; then
    echo "== two devices (needs nasurge[distributed])"
    cat > "$folder/two.py" <<'PYTHON'
from nasurge.benchmarks.supernet import Supernet
from nasurge.benchmarks.supernet_train import train_supernet
from nasurge.data.images import load_images
from nasurge.data.spaces import make_space

images = load_images("digits")
supernet = Supernet(make_space("nb201"), classes=10, in_channels=1, width=8, cells=1, seed=0)
print(train_supernet(supernet, images, epochs=2, seed=0, device="cuda", distributed=True))
PYTHON
    torchrun --standalone --nproc-per-node 2 "$folder/two.py"
fi
echo "all of it ran on $device"
