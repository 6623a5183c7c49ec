"""Runs programs as a container of the image would: on its files and no others, all of them read only, as its user, with its
environment. What an engine adds (networks, limits, a profile of system calls) is not here."""
import json
import os
import pathlib
import shutil
import subprocess

# In a mount namespace that ends with the program, which keeps its process id: whoever ends that ends the program.
RUN = """
set -e
root=$1 user=$2 folder=$3 chroot=$4
shift 4
mount --bind "$root" "$root"
mount -t proc -o ro proc "$root/proc"
mount --bind /dev "$root/dev"
mount -o remount,bind,ro "$root/dev"
if [ -n "$folder" ]; then
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
    mount -o remount,bind,ro "$root$folder"
fi
mount -o remount,bind,ro "$root"
for place in / /tmp /run /var/tmp /dev /dev/shm; do
    if touch "$root$place/join-community-writes" 2>/dev/null; then echo "$place can be written to" >&2; exit 97; fi
done
exec "$chroot" --userspec="$user" --groups= "$root" "$@"
"""


class Container:
    """An image, as tests/deploy/image.py has left it in a folder. `folder` is mounted, at the same place."""

    def __init__(self, image, folder=""):
        described = json.loads(pathlib.Path(image, "image.json").read_text())
        self.root, self.config, self.folder = described["files"], described["config"], folder
        self.environment = dict(each.split("=", 1) for each in self.config["Env"])
        self.entrypoint, self.arguments = self.config["Entrypoint"], self.config["Cmd"]
        # `CMD` and an argument each: no shell is asked for.
        self.health = self.config["Healthcheck"]["Test"][1:]

    def command(self, *arguments):
        entered = [self.root, self.config["User"], self.folder, shutil.which("chroot") or "/usr/sbin/chroot"]
        return ["unshare", "--mount", "sh", "-c", RUN, "sh", *entered, *arguments]

    def run(self, *arguments, **more):
        environment = self.environment | more
        return subprocess.run(self.command(*arguments), env=environment, cwd="/", capture_output=True, text=True, timeout=60)


def cannot():
    """Why no container can be run here, if that is so."""
    if os.geteuid() != 0:
        return "only root may build and enter it"
    mounts = "mount --bind /mnt /mnt && mount -t proc proc /mnt"
    tried = subprocess.run(["unshare", "--mount", "sh", "-c", mounts], capture_output=True, text=True)
    return tried.stderr.strip()
