"""Builds a Dockerfile by buildah, without pulling an image. In place of BASE_IMAGE stand packages of Debian, which
distroless/cc is made of as well; in place of BUILD_IMAGE a shell, and a cargo that hands out the program which was built
outside (cargo.sh)."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

ROOT, HERE = pathlib.Path.cwd(), pathlib.Path(__file__).parent
# Much to copy, and nothing that a program here needs.
UNUSED = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/lib/*/gconv")
STANDING_IN = {
    "base": "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
    "shell": "CARGO_HOME=/usr/local/cargo",
}


class Builder:
    """`folder` holds packages: `base`, `shell` and, unless buildah is installed, `buildah`."""

    def __init__(self, folder, program):
        self.folder, self.program = folder, program
        # What the cargo that stands in is handed; all else is buildah's.
        self.handed, self.work = folder / "handed", folder / "work"
        for each in (self.handed, self.work):
            shutil.rmtree(each, ignore_errors=True)
            each.mkdir(parents=True)
        self.buildah_finds_what_it_needs()
        self.hand_over()
        self.stand_in()

    def buildah_finds_what_it_needs(self):
        (self.work / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        (self.work / "registries.conf").write_text("")
        self.installed = shutil.which("buildah")
        libraries = "".join(f"{each}\n" for each in self.folder.glob("buildah/usr/lib/*-linux-gnu"))
        (self.work / "ld.so.conf").write_text(f"{libraries}include /etc/ld.so.conf\n")
        subprocess.run(["/sbin/ldconfig", "-X", "-C", self.work / "ld.so.cache", "-f", self.work / "ld.so.conf"], check=True)

    def hand_over(self):
        handed = self.handed / "join-community"
        shutil.copy(self.program, handed)
        if shutil.which("strip"):  # what only a debugger reads, of which a development build has much
            subprocess.run(["strip", handed], check=True)
        (self.handed / "read").write_text("".join(f"{path}\n" for path in sorted(self.compiled())))

    def compiled(self):
        """Every file of the checkout that the compiler read for the program, by cargo's word, and what cargo looks for."""
        manifest = tomllib.loads(pathlib.Path("Cargo.toml").read_text())
        read = {"Cargo.toml", "Cargo.lock"}
        for kind, folder in [("bin", "src"), ("example", "examples"), ("test", "tests"), ("bench", "benches")]:
            for each in manifest.get(kind, []):
                places = [each["path"]] if "path" in each else [f"{folder}/{each['name']}.rs", f"{folder}/{each['name']}/main.rs"]
                read |= {place for place in places if pathlib.Path(place).exists()}
        told, target = self.program.with_name(f"{self.program.name}.d"), self.program.parents[1]
        if not told.exists():
            print(f"there is no {told}: what the compiler reads was not looked for in the build context", file=sys.stderr)
            return read
        paths = re.split(r"(?<!\\) ", told.read_text().splitlines()[0].split(": ", 1)[1])
        paths = [pathlib.Path(path.replace("\\ ", " ")) for path in paths]
        mine = {str(path.relative_to(ROOT)) for path in paths if path.is_relative_to(ROOT) and not path.is_relative_to(target)}
        assert {"src/main.rs", "build.rs"} <= mine, f"{told} is read wrongly, or is of another checkout"
        return read | mine

    def stand_in(self):
        base, shell = self.folder / "base", self.folder / "shell"
        bundle = base / "etc/ssl/certs/ca-certificates.crt"
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_text("".join(each.read_text() for each in sorted((base / "usr/share/ca-certificates").rglob("*.crt"))))
        (shell / "usr/local/bin").mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "cargo.sh", shell / "usr/local/bin/cargo").chmod(0o755)
        for name, environment in STANDING_IN.items():
            for each in (each for unused in UNUSED for each in (self.folder / name).glob(unused)):
                shutil.rmtree(each)
            recipe = self.work / f"{name}.recipe"
            recipe.write_text(f"FROM scratch\nCOPY . /\nENV PATH=/usr/local/bin:/usr/bin:/bin {environment}\n")
            why = self.built(f"localhost/{name}", recipe, self.folder / name)
            assert not why, f"localhost/{name}: {why}"

    def buildah(self, verb, *arguments):
        program, libraries = self.installed, ""
        if not program:
            # It starts itself anew without LD_LIBRARY_PATH: its libraries are made known in a mount namespace of its own.
            program, libraries = self.folder / "buildah/usr/bin/buildah", self.work / "ld.so.cache"
        entered = ["unshare", "--mount", "sh", "-c", '[ -z "$0" ] || mount --bind "$0" /etc/ld.so.cache && exec "$@"', libraries]
        places = ["--root", self.work / "store", "--runroot", self.work / "run", "--storage-driver", "vfs"]
        command = [*entered, program, *places, "--registries-conf", self.work / "registries.conf", verb, *arguments]
        environment = os.environ | {"TMPDIR": str(self.work)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)

    def built(self, name, file, context, *more):
        """Why it is not built, if it is not."""
        asked = ["--quiet", "--pull=never", "--isolation", "chroot", "--format", "docker", "--timestamp", self.moment()]
        policy = ["--signature-policy", self.work / "policy.json"]
        ran = self.buildah("build", *policy, *asked, "--tag", name, "--file", file, *more, context)
        return ran.stderr.strip() if ran.returncode else ""

    def image(self, name, dockerfile="Dockerfile", ignored=".dockerignore"):
        """The same, of the checkout."""
        images = ["--build-arg", "BUILD_IMAGE=localhost/shell", "--build-arg", "BASE_IMAGE=localhost/base"]
        return self.built(name, dockerfile, ROOT, *images, "--ignorefile", ignored, "--volume", f"{self.handed}:/handed:ro")

    def described(self, name):
        """What an image is. The container that it was made in, which buildah names as well, is none of it."""
        described = json.loads(self.buildah("inspect", "--type", "image", name).stdout)["Docker"]
        return {part: described[part] for part in ("config", "rootfs", "history", "created")}

    def unpacked(self, name):
        """The folder with an image's files."""
        container = self.buildah("from", "--pull=never", "--signature-policy", self.work / "policy.json", name).stdout.strip()
        return self.buildah("mount", container).stdout.strip()

    def moment(self):
        told = subprocess.run(["git", "log", "-1", "--format=%ct"], capture_output=True, text=True)
        return told.stdout.strip() or "0"
