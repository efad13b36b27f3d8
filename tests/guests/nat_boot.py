#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nat_boot.py - machines without a disk boot through NAT by DHCP and TFTP.

Boot programs of three descents: iPXE in the card's ROM and GRUB on top of it fetch a kernel and a
root, EDK2 with its own drivers and network stack fetches the kernel and starts it as a program. Run in a user, network and mount
namespace of its own. Speaks TAP.
"""
import pathlib
import shutil
import subprocess
import sys

import image
import kit

COMMAND_LINE = ("console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on no_timer_check "
                "tsc=reliable net.ifnames=0")
IPXE = f"""#!ipxe
kernel vmlinuz {COMMAND_LINE} initrd=root.cpio
initrd root.cpio
boot
"""
GRUB = f"""
linux /vmlinuz {COMMAND_LINE}
initrd /root.cpio
boot
"""
OVMF = pathlib.Path("/usr/share/OVMF")


class Diskless(kit.Guest):
    """A guest without a kernel of its own; it is ready once the root that it fetched is up."""

    def __init__(self, daemon, home, name, more):
        self.name = name
        self.log = home / f"{name}.console"
        self.errors = home / f"{name}.errors"
        agent = home / f"{name}.agent"
        argv = [kit.CLI, "run", "net", "--", "qemu-system-x86_64", "-accel", "tcg", "-nodefaults",
                "-no-reboot", "-display", "none", "-vga", "none", "-m", "512", "-boot", "n",
                "-serial", f"file:{self.log}",
                "-chardev", f"socket,id=agent,path={agent},server=on,wait=off",
                "-serial", "chardev:agent", *more]
        self.process = subprocess.Popen(argv, env=daemon.env, stdin=subprocess.DEVNULL,
                                        stdout=self.errors.open("wb"), stderr=subprocess.STDOUT,
                                        start_new_session=True)
        self.buffer = b""
        self.pending = False
        self.agent = kit.wait_for(f"{name}'s serial line", lambda: self.connect(agent), 20)


class Boot:
    def __init__(self, lab):
        self.lab = lab
        self.tftp = lab.home / "tftp"
        self.tftp.mkdir()
        lab.image()
        shutil.copy(image.bzimage(), self.tftp / "vmlinuz")
        shutil.copy(lab.root, self.tftp / "root.cpio")
        self.daemon = lab.daemon()
        self.n = 0
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.daemon("createvm", "--name", "net")
        self.daemon("modifyvm", "net", "--nic1", "nat", "--nic-boot-prio1", "1",
                    "--nat-tftp-prefix1", self.tftp)

    def start(self, nic_type, boot_file, *more):
        self.daemon("modifyvm", "net", "--nic-type1", nic_type, "--nat-tftp-file1", boot_file)
        self.n += 1
        guest = Diskless(self.daemon, self.lab.home, f"guest{self.n}", map(str, more))
        self.lab.callback(guest.kill)
        return guest

    def boot(self, nic_type, boot_file):
        guest = self.start(nic_type, boot_file)
        guest.expect(rb"@ready\r?\n", 150)
        out = guest.run("ip link set eth0 up; udhcpc -i eth0 -n -q; ip addr show eth0")
        if "10.0.2.15" not in out:
            raise kit.Failed(out)
        guest.stop()

    def grub(self, kind, suffix):
        """GRUB's image for the network; returns its name below the TFTP directory."""
        subprocess.run(["grub-mknetdir", f"--net-directory={self.tftp}", "--subdir=grub", "-d",
                        f"/usr/lib/grub/{kind}", "--modules=linux serial"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (self.tftp / "grub/grub.cfg").write_text(GRUB)
        return f"grub/{kind}/core.{suffix}"

    def test_ipxe(self):
        """The boot file that is told unless another is set: MACHINE.pxe."""
        (self.tftp / "net.pxe").write_text(IPXE)
        self.boot("82540EM", "")

    def test_ipxe_pcnet(self):
        self.boot("Am79C970A", "")

    def test_ipxe_virtio(self):
        self.boot("virtio", "")

    def test_grub(self):
        self.boot("82540EM", self.grub("i386-pc", "0"))

    def test_edk2(self):
        variables = self.lab.home / "vars.fd"
        shutil.copy(OVMF / "OVMF_VARS_4M.fd", variables)
        # Its own driver for virtio, not iPXE's from the ROM.
        guest = self.start("virtio", "vmlinuz", "-global", "virtio-net-pci.romfile=", "-drive",
                           f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
                           "-drive", f"if=pflash,format=raw,file={variables}")
        size = (self.tftp / "vmlinuz").stat().st_size
        for text in ("Server IP address is 10.0.2.2", f"NBP filesize is {size} Bytes",
                     "NBP file downloaded successfully", "BdsDxe: starting"):
            try:
                kit.wait_for(text, lambda: text.encode() in guest.console(), 90)
            except kit.Failed as failed:
                raise kit.Failed(f"{failed}; console: {guest.console()[-1500:]!r}")
        guest.kill()


NEEDS = {"ipxe": "/usr/lib/ipxe/qemu", "ipxe_pcnet": "/usr/lib/ipxe/qemu",
         "ipxe_virtio": "/usr/lib/ipxe/qemu", "grub": "/usr/lib/grub/i386-pc",
         "edk2": OVMF / "OVMF_CODE_4M.fd"}


if __name__ == "__main__":
    sys.exit(kit.run_cases(Boot, NEEDS))
