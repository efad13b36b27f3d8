# SPDX-License-Identifier: LGPL-2.1-or-later
"""image.py - a tiny Debian guest: Debian's own kernel and drivers, busybox, and an agent.

The kernel package is fetched with apt (no root needed) and kept under the cache directory; its
compressed image is unpacked once on the host, because QEMU can start the plain ELF file through its
PVH entry and the guest then need not unpack it under emulation (5 s saved at each boot).
"""
import io
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess
import tarfile
import tempfile

MODULES = ["mii", "pcnet32", "e1000", "failover", "net_failover", "virtio_ring", "virtio",
           "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_net",
           "llc", "stp", "garp", "mrp", "8021q", "bridge"]

INIT = """#!/bin/sh
export PATH=/bin:/sbin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
for m in $(cat /lib/m/order); do insmod /lib/m/$m 2>/dev/null; done
ip link set lo up
cd /tmp
exec 3<>/dev/ttyS1
stty raw -echo -F /dev/ttyS1
echo "@ready" >&3
while IFS= read -r line <&3; do
	eval "$line" </dev/null 2>&1 >&3 3>&-
	echo "@end $?" >&3
done
poweroff -f
"""

UDHCPC = """#!/bin/sh
case $1 in
deconfig)
	ip addr flush dev $interface;;
bound|renew)
	ip addr replace $ip/${mask:-24} dev $interface
	[ -n "$router" ] && ip route replace default via ${router%% *} dev $interface
	: >/etc/resolv.conf
	[ -n "$domain" ] && echo "search $domain" >>/etc/resolv.conf
	for n in $dns; do echo "nameserver $n" >>/etc/resolv.conf; done
	echo "lease $ip router $router dns $dns boot ${boot_file:-none}";;
esac
"""


def cache_dir():
    base = os.environ.get("JACKFIELD_TEST_CACHE")
    path = pathlib.Path(base) if base else pathlib.Path(
        os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "jackfield-tests"
    path.mkdir(parents=True, exist_ok=True)
    return path


def kernel_package():
    """The name of Debian's current generic kernel package, from the machine's package lists."""
    out = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True, text=True,
                         capture_output=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", out)
    if not found:
        raise RuntimeError("apt knows no linux-image-amd64; run 'apt-get update'")
    return found.group(1)


def unpack_bzimage(image):
    """The ELF kernel inside a bzImage (Linux boot protocol 2.08: payload offset and length)."""
    setup_sectors = image[0x1f1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(image[start:start + length])


def kernel_dir():
    return cache_dir() / kernel_package()


def bzimage():
    """The kernel as Debian packs it, for loaders that want it so."""
    kernel()
    return kernel_dir() / "vmlinuz"


def kernel():
    """Returns (vmlinux, {module name: path}) of Debian's kernel, fetching it on first use."""
    home = kernel_dir()
    if not (home / "vmlinuz").exists():
        home.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache_dir()) as tmp:
            subprocess.run(["apt-get", "-q", "download", home.name], check=True, cwd=tmp,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deb = next(pathlib.Path(tmp).glob("*.deb"))
            keep_from_package(deb, home)
    modules = {p.stem.replace("-", "_"): p for p in home.glob("*.ko")}
    return home / "vmlinux", modules


def put(path, data):
    """Whole or not at all, whoever reads it now."""
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_bytes(data)
    new.rename(path)


def keep_from_package(deb, home):
    """The last file written says that all are there."""
    packed = None
    dpkg = subprocess.Popen(["dpkg", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    wanted = set(MODULES)
    with tarfile.open(fileobj=dpkg.stdout, mode="r|") as tar:
        for member in tar:
            base = os.path.basename(member.name)
            if "/boot/vmlinuz" in member.name:
                packed = tar.extractfile(member).read()
                put(home / "vmlinux", unpack_bzimage(packed))
            elif base.endswith(".ko") and base[:-3].replace("-", "_") in wanted:
                put(home / base, tar.extractfile(member).read())
    if dpkg.wait() != 0:
        raise RuntimeError(f"cannot unpack {deb}")
    put(home / "vmlinuz", packed)


class Cpio:
    """Writes a "newc" archive, the form that the kernel unpacks as its first root."""

    def __init__(self):
        self.out = io.BytesIO()
        self.ino = 0
        self.dirs = set()

    def add(self, name, mode, data=b""):
        self.ino += 1
        fields = [self.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        self.out.write(b"070701" + b"".join(b"%08x" % f for f in fields))
        self.out.write(name.encode() + b"\0")
        self.pad()
        self.out.write(data)
        self.pad()

    def pad(self):
        self.out.write(b"\0" * (-self.out.tell() % 4))

    def dir(self, name):
        if name and name not in self.dirs:
            self.dir(os.path.dirname(name))
            self.dirs.add(name)
            self.add(name, 0o040755)

    def file(self, name, data, mode=0o755):
        self.dir(os.path.dirname(name))
        self.add(name, 0o100000 | mode, data)

    def link(self, name, target):
        self.dir(os.path.dirname(name))
        self.add(name, 0o120777, target.encode())

    def finish(self):
        self.add("TRAILER!!!", 0)
        return self.out.getvalue()


def libraries(program):
    out = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"(/\S+)", out)


def initramfs(path, extra=(), files=()):
    """Writes the guest's root to `path`. `extra`: host programs to put into it, with libraries;
    `files`: (name in the guest, file of the host)."""
    _, modules = kernel()
    cpio = Cpio()
    for name in ("proc", "sys", "dev", "tmp", "etc", "lib/m", "bin", "sbin"):
        cpio.dir(name)
    busybox = shutil.which("busybox") or "/bin/busybox"
    cpio.file("bin/busybox", pathlib.Path(busybox).read_bytes())
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True)
    for applet in applets.stdout.split():
        if applet != "busybox":
            cpio.link("bin/" + applet, "busybox")
    order = [m for m in MODULES if m in modules]
    for module in order:
        cpio.file(f"lib/m/{module}.ko", modules[module].read_bytes(), 0o644)
    cpio.file("lib/m/order", "".join(f"{m}.ko\n" for m in order).encode(), 0o644)
    cpio.file("etc/udhcpc/default.script", UDHCPC.encode())
    cpio.file("init", INIT.encode())
    done = set()
    for program in extra:
        for source in [program] + libraries(program):
            if source not in done:
                done.add(source)
                cpio.file(source.lstrip("/"), pathlib.Path(source).read_bytes())
    for name, source in files:
        cpio.file(name, pathlib.Path(source).read_bytes())
    pathlib.Path(path).write_bytes(cpio.finish())
