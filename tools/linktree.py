"""Build .linktree/nasurge, the shape that setup.cfg describes, for mypy and pyright."""

import configparser
import os
import pathlib
import shutil

root = pathlib.Path(__file__).resolve().parent.parent
config = configparser.ConfigParser(interpolation=None)
config.read(root / "setup.cfg")
pairs = [line.split("=") for line in config["options"]["package_dir"].strip().splitlines()]
folders = {name.strip(): root / folder.strip() for name, folder in pairs}
tree = root / ".linktree"
shutil.rmtree(tree, ignore_errors=True)
for name, folder in sorted(folders.items()):
    target = tree / name.replace(".", "/")
    if any(other.startswith(f"{name}.") for other in folders):
        target.mkdir(parents=True)
        for entry in folder.iterdir():
            if entry.name != "__pycache__":
                (target / entry.name).symlink_to(os.path.relpath(entry, target))
    else:
        target.symlink_to(os.path.relpath(folder, target.parent))
