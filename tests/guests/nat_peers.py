#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nat_peers.py - the services of NAT against the programs that guests use.

The guest is a network namespace with a tap in it, a card with the connector `tap`; every client is
the real one. Run in a user, network and mount namespace of its own. Speaks TAP.
"""
import hashlib
import os
import re
import socket
import struct
import subprocess
import sys

import kit
import netns

NAME = "web.jackfield.test"
FIRST = "10.0.2.15"
LEASE_SCRIPT = """#!/bin/sh
# For udhcpc and dhclient: notes what came, and takes the address.
env >>"$LEASE_FILE"
case $1$reason in
*bound*|*renew*|*BOUND*|*RENEW*|*REBOOT*)
	ip addr flush dev jf0 scope global
	ip addr add "${ip:-$new_ip_address}/${mask:-24}" dev jf0
	ip route replace default via "${router:-$new_routers}" ;;
esac
exit 0
"""


# ---- Names: a client small enough to be here ----

def dns_query(name, kind, number):
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
    return struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1)


def dns_ask(server, name, kind, tcp):
    """In the guest. Returns code and the last record's data."""
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    query = dns_query(name, kind, 4711)
    with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as line:
        line.settimeout(10)
        line.connect((server, 53))
        line.sendall((struct.pack(">H", len(query)) if tcp else b"") + query)
        if tcp:
            stream = line.makefile("rb")
            answer = stream.read(struct.unpack(">H", stream.read(2))[0])
        else:
            answer = line.recv(65535)
    number, flags, _, records = struct.unpack(">4H", answer[:8])
    assert number == 4711 and flags & 0x8000
    return flags & 15, records, answer[-16:] if kind == 28 else answer[-4:], len(answer)


# ---- The lab ----

class Peers:
    def __init__(self, lab):
        self.lab = lab
        self.home = lab.home
        self.host()
        self.daemon = lab.daemon()
        self.n = 0
        self.script = self.home / "lease"
        self.script.write_text(LEASE_SCRIPT)
        self.script.chmod(0o755)
        self.lease = self.home / "lease.txt"
        self.machine()

    def host(self):
        """A loopback with a resolver, and directories that clients may write to."""
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for place in ("/run", "/var/lib/dhcp", "/var/lib/dhcpcd"):
            if os.path.isdir(place):
                subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
        self.resolv = self.home / "resolv.conf"
        self.resolv.write_text("nameserver 127.0.0.1\nsearch jackfield.test\n")
        subprocess.run(["mount", "--bind", self.resolv, os.path.realpath("/etc/resolv.conf")],
                       check=True)
        self.dnsmasq("127.0.0.1", "192.0.2.80")

    def dnsmasq(self, listen, address):
        process = subprocess.Popen(
            ["dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", f"--listen-address={listen}",
             "--bind-interfaces", "--user=root", "--pid-file=", "--conf-file=/dev/null",
             f"--address=/{NAME}/{address}", f"--address=/{NAME}/2001:db8::80",
             f"--txt-record=long.{NAME}," + ",".join(["x" * 250] * 8),
             f"--local=/jackfield.test/"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.lab.callback(process.wait)
        self.lab.callback(process.kill)

    def machine(self):
        self.guest = netns.Namespace(self.lab)
        self.tftp = self.home / "tftp"
        self.tftp.mkdir()
        (self.tftp / "boot").write_bytes(os.urandom(3_000_000))
        (self.tftp / "text").write_text("one\ntwo\n" * 1000)
        self.daemon("createvm", "--name", "web")
        words = ["--nic1", "nat", "--connector1", "tap"]
        for value in ("ifname=jf0", f"netns={self.guest.path}"):
            words += ["--connector-property1", value]
        words += ["--nat-tftp-prefix1", self.tftp]
        self.daemon("modifyvm", "web", *words)
        self.daemon("startvm", "web")

    def set(self, *words):
        """Other settings: the card is started anew."""
        self.daemon("controlvm", "web", "poweroff")
        self.daemon("modifyvm", "web", *words)
        self.daemon("startvm", "web")

    def clear(self):
        self.guest("ip", "addr", "flush", "dev", "jf0", "scope", "global")
        self.lease.unlink(missing_ok=True)

    def address(self):
        return re.findall(r"inet ([0-9.]+)/", self.guest("ip", "-4", "addr", "show", "dev", "jf0"))

    def expect_address(self, wanted=FIRST):
        kit.wait_for(f"the address {wanted}", lambda: wanted in self.address(), 20)

    def noted(self, *words):
        text = self.lease.read_text()
        for word in words:
            if word not in text:
                raise kit.Failed(f"no {word!r} in {text[-2000:]}")

    def dns(self, *words):
        return eval(self.guest(sys.executable, __file__, "--ask", *words))

    # ---- DHCP ----

    def test_udhcpc(self):
        self.clear()
        self.guest("busybox", "udhcpc", "-i", "jf0", "-n", "-q", "-f", "-s", self.script, "-O",
                   "search", env={"LEASE_FILE": str(self.lease)})
        self.expect_address()
        self.noted("dns=10.0.2.3", "router=10.0.2.2", "serverid=10.0.2.2", "lease=86400",
                   "domain=jackfield.test", "search=jackfield.test", "boot_file=web.pxe")

    def test_dhcp_settings(self):
        """What the command line sets is what the client is told."""
        def ask():
            self.clear()
            self.guest("busybox", "udhcpc", "-i", "jf0", "-n", "-q", "-f", "-s", self.script, "-O",
                       "mtu", "-O", "search", env={"LEASE_FILE": str(self.lease)})

        self.set("--nat-tftp-file1", "other.0", "--nat-tftp-server1", "192.0.2.7",
                 "--nat-dns-pass-domain1", "off", "--nat-settings1", "1400,0,0,0,0", "--nat-net1",
                 "172.20.7.0/24")
        ask()
        self.noted("boot_file=other.0", "siaddr=192.0.2.7", "mtu=1400", "ip=172.20.7.15",
                   "router=172.20.7.2", "dns=172.20.7.3")
        kit.require("jackfield.test" not in self.lease.read_text(), "the domain was passed")
        self.set("--nat-tftp-file1", "", "--nat-tftp-server1", "", "--nat-dns-pass-domain1", "on",
                 "--nat-settings1", "0,0,0,0,0", "--nat-net1", "default")
        ask()
        self.noted("boot_file=web.pxe", "siaddr=10.0.2.2", "domain=jackfield.test", "ip=10.0.2.15")
        kit.require("mtu=" not in self.lease.read_text(), "an MTU was told")

    def test_udhcpc_release(self):
        """It asks for another address, is refused, and gives its own back at the end."""
        self.clear()
        client = self.guest.start("busybox", "udhcpc", "-i", "jf0", "-f", "-R", "-s", self.script,
                                  "-r", "10.0.2.200", env={"LEASE_FILE": str(self.lease)})
        kit.wait_for("a lease", self.address, 20)
        client.terminate()
        client.wait(10)

    def test_dhclient(self):
        self.clear()
        env = {"LEASE_FILE": str(self.lease)}
        common = ["-sf", self.script, "-lf", self.home / "dhclient.leases", "-pf",
                  self.home / "dhclient.pid", "-cf", "/dev/null", "-v"]
        variables = ["-e", f"LEASE_FILE={self.lease}"]
        self.guest("dhclient", "-1", "-4", *variables, *common, "jf0", env=env)
        kit.wait_for("an address", self.address, 20)
        self.noted("new_routers=10.0.2.2", "new_domain_name_servers=10.0.2.3",
                   "new_dhcp_lease_time=86400", "new_domain_name=jackfield.test")
        # Released, and got again.
        self.guest("dhclient", "-r", "-4", *variables, *common, "jf0", env=env)
        self.guest("dhclient", "-1", "-4", *variables, *common, "jf0", env=env)
        self.guest("dhclient", "-x", "-4", *variables, *common, "jf0", env=env)

    def test_dhclient6(self):
        self.clear()
        env = {"LEASE_FILE": str(self.lease)}
        common = ["-sf", self.script, "-lf", self.home / "dhclient6.leases", "-pf",
                  self.home / "dhclient6.pid", "-cf", "/dev/null"]
        self.wait_ready6()
        self.guest("dhclient", "-1", "-6", "-S", "-e", f"LEASE_FILE={self.lease}", *common, "jf0",
                   env=env)
        kit.wait_for("a note", self.lease.exists, 20)
        self.noted("new_dhcp6_name_servers=fd17:625c:f037:2::3",
                   "new_dhcp6_domain_search=jackfield.test")
        subprocess.run(["kill", (self.home / "dhclient6.pid").read_text().strip()], check=False)

    def test_dhcpcd(self):
        self.clear()
        # Not its own hooks, which write the host's files; without privileges to give away.
        out = self.guest("dhcpcd", "-4", "-1", "-B", "-c", "/bin/true", "-t", "20", "--noarp",
                         "-o", "domain_name_servers", "jf0", check=False)
        if not self.address():
            raise kit.Failed(out[-800:])

    def test_networkd(self):
        """systemd-networkd with an address by DHCP and what router advertisements say."""
        self.clear()
        conf = self.home / "networkd"
        conf.mkdir()
        (conf / "jf.network").write_text("[Match]\nName=jf0\n[Network]\nDHCP=ipv4\n"
                                         "IPv6AcceptRA=yes\n[DHCPv4]\nUseDNS=yes\n")
        # Without udev, as in a container: it looks whether /sys can be written to.
        # It becomes a user of its own, where there is more than root.
        users = re.sub(r"(?m)^systemd-network:x:\d+:\d+:", "systemd-network:x:0:0:",
                       open("/etc/passwd").read())
        (conf / "passwd").write_text(users)
        script = (f"mount --bind {conf}/passwd /etc/passwd; mkdir -p /run/systemd/network /run/systemd/netif; "
                  f"cp {conf}/jf.network /run/systemd/network/; "
                  f"mount -t sysfs -o ro sysfs /sys || mount -o remount,bind,ro /sys; "
                  f"exec /lib/systemd/systemd-networkd")
        log = open(self.home / "networkd.log", "wb")
        client = subprocess.Popen(["nsenter", f"--net={self.guest.path}", "unshare", "--mount",
                                   "sh", "-c", script], stdout=log, stderr=log)
        try:
            kit.wait_for("an address", self.address, 30)
            kit.wait_for("an IPv6 address", lambda: "fd17:625c:f037:2:" in self.guest(
                "ip", "-6", "addr", "show", "dev", "jf0"), 30)
        except kit.Failed as failed:
            text = (self.home / "networkd.log").read_text()[-800:]
            raise kit.Failed(f"{failed}: {text}")
        finally:
            client.terminate()
            client.wait(10)

    def test_dhcping(self):
        self.test_udhcpc()
        address = self.address()[0]
        mac = self.guest("cat", "/sys/class/net/jf0/address", check=False).strip()
        if not re.match("[0-9a-f:]{17}$", mac):
            mac = re.search("link/ether ([0-9a-f:]+)", self.guest("ip", "link", "show", "jf0"))[1]
        out = self.guest("dhcping", "-v", "-c", address, "-s", "10.0.2.2", "-h", mac, "-t", "10")
        if "Got answer" not in out:
            raise kit.Failed(out)

    # ---- IPv6 ----

    def wait_ready6(self):
        kit.wait_for("a link-local address that is no longer tentative", lambda: re.search(
            r"fe80::\S+ scope link *\n", self.guest("ip", "-6", "addr", "show", "dev", "jf0")), 20)

    def test_autoconfiguration(self):
        self.guest("sysctl", "-qw", "net.ipv6.conf.jf0.accept_ra=2", check=False)
        # Down and up: the kernel asks for a router.
        self.guest("ip", "link", "set", "jf0", "down")
        self.guest("ip", "link", "set", "jf0", "up")
        kit.wait_for("an address of the prefix", lambda: re.search(
            r"fd17:625c:f037:2:\S+/64 scope global dynamic",
            self.guest("ip", "-6", "addr", "show", "dev", "jf0")), 20)
        route = self.guest("ip", "-6", "route", "show", "default")
        if "via fe80::2 dev jf0 proto ra" not in route:
            raise kit.Failed(route)
        self.guest("ping", "-6", "-c", "1", "-w", "10", "fd17:625c:f037:2::2")

    # ---- DNS ----

    def test_dns(self):
        self.test_udhcpc()
        v4, v6 = bytes([192, 0, 2, 80]), socket.inet_pton(socket.AF_INET6, "2001:db8::80")
        for tcp in ("", "tcp"):
            got = self.dns("10.0.2.3", NAME, "1", tcp)
            if got[:3] != (0, 1, v4):
                raise kit.Failed(f"A {tcp}: {got}")
            got = self.dns("10.0.2.3", NAME, "28", tcp)
            if got[:3] != (0, 1, v6):
                raise kit.Failed(f"AAAA {tcp}: {got}")
        if self.dns("10.0.2.3", "none.jackfield.test", "1", "")[0] != 3:
            raise kit.Failed("no NXDOMAIN")
        # More than a datagram may have: cut over UDP, whole over TCP.
        long = self.dns("10.0.2.3", "long." + NAME, "16", "tcp")
        if long[3] < 2000:
            raise kit.Failed(f"TXT over TCP: {long[3]} bytes")

    def test_dns6(self):
        """By the name server's IPv6 address, where the host's resolver has an IPv4 one."""
        self.test_autoconfiguration()
        for tcp in ("", "tcp"):
            got = self.dns("fd17:625c:f037:2::3", NAME, "1", tcp)
            if got[:3] != (0, 1, bytes([192, 0, 2, 80])):
                raise kit.Failed(f"A {tcp}: {got}")

    def test_dns_follows(self):
        """Another resolver takes over without a restart."""
        self.dnsmasq("127.0.0.2", "192.0.2.81")
        self.resolv.write_text("nameserver 127.0.0.2\nsearch jackfield.test\n")
        wanted = (0, 1, bytes([192, 0, 2, 81]))
        kit.wait_for("the new resolver's answer", lambda: self.dns(
            "10.0.2.3", NAME, "1", "")[:3] == wanted, 20)
        self.resolv.write_text("nameserver 127.0.0.1\nsearch jackfield.test\n")

    def test_nslookup(self):
        out = self.guest("busybox", "nslookup", NAME, "10.0.2.3")
        if "192.0.2.8" not in out:
            raise kit.Failed(out)

    def test_dns_host_resolver(self):
        self.set("--nat-dns-host-resolver1", "on", "--nic-property1",
                 "dns-mappings=*.mapped.test|one=10.0.2.2")
        self.test_udhcpc()
        for name, wanted in (("a.mapped.test", "10.0.2.2"), ("one", "10.0.2.2"),
                             ("localhost", "127.0.0.1"), (NAME, "192.0.2.80")):
            for tcp in ("", "tcp"):
                got = self.dns("10.0.2.3", name, "1", tcp)
                if got[:3] != (0, 1, socket.inet_aton(wanted)):
                    raise kit.Failed(f"{name} {tcp}: {got}")
        # What the library does not look up comes from the resolver, whole.
        long = self.dns("10.0.2.3", "long." + NAME, "16", "tcp")
        if long[3] < 2000:
            raise kit.Failed(f"TXT over TCP: {long[3]} bytes")
        self.set("--nat-dns-host-resolver1", "off", "--nic-property1", "dns-mappings=")

    def test_dns_direct(self):
        """Without the proxy guests are told the host's resolvers, but no loopback address."""
        self.resolv.write_text("nameserver 127.0.0.1\nnameserver 192.0.2.53\n")
        self.set("--nat-dns-proxy1", "off")
        self.clear()
        self.guest("busybox", "udhcpc", "-i", "jf0", "-n", "-q", "-f", "-s", self.script,
                   env={"LEASE_FILE": str(self.lease)})
        self.noted("dns=192.0.2.53\n")
        self.resolv.write_text("nameserver 127.0.0.1\nsearch jackfield.test\n")
        self.set("--nat-dns-proxy1", "on")

    # ---- TFTP ----

    def same(self, path, name="boot"):
        one, two = (hashlib.sha256(p.read_bytes()).hexdigest() for p in (path, self.tftp / name))
        path.unlink()
        if one != two:
            raise kit.Failed("not the same file")

    def test_curl(self):
        self.test_udhcpc()
        out = self.home / "out"
        for more in ([], ["--tftp-blksize", "1428"], ["--tftp-blksize", "65464"],
                     ["--tftp-no-options"]):
            self.guest("curl", "-sS", *more, "-o", out, "tftp://10.0.2.2/boot")
            self.same(out)
        told = self.guest("curl", "-sS", "-o", out, "tftp://10.0.2.2/none", check=False)
        if "(68)" not in told:  # CURLE_TFTP_NOTFOUND
            raise kit.Failed(f"no error for a file that is not there: {told}")

    def test_curl6(self):
        self.test_autoconfiguration()
        self.wait_ready6()
        out = self.home / "out"
        kit.wait_for("an address to use", lambda: "tentative" not in self.guest(
            "ip", "-6", "addr", "show", "dev", "jf0"), 20)
        self.guest("curl", "-sS", "-o", out, "tftp://[fd17:625c:f037:2::2]/boot")
        self.same(out)

    def test_atftp(self):
        out = self.home / "out"
        for more in ([], ["--option", "blksize 1428", "--option", "windowsize 16", "--option",
                          "tsize 0", "--option", "timeout 3"]):
            self.guest("atftp", *more, "-g", "-r", "boot", "-l", out, "10.0.2.2", "69")
            self.same(out)

    def test_tftp_hpa(self):
        out = self.home / "out"
        self.guest("tftp", "-m", "binary", "10.0.2.2", "-c", "get", "boot", out)
        self.same(out)
        self.guest("tftp", "-m", "ascii", "10.0.2.2", "-c", "get", "text", out)
        self.same(out, "text")

    def test_busybox_tftp(self):
        out = self.home / "out"
        self.guest("busybox", "tftp", "-g", "-b", "1400", "-r", "boot", "-l", out, "10.0.2.2")
        self.same(out)


PROGRAMS = {"dhclient": "dhclient", "dhclient6": "dhclient", "dhcpcd": "dhcpcd",
            "dhcping": "dhcping", "curl": "curl", "curl6": "curl", "atftp": "atftp",
            "tftp_hpa": "tftp", "networkd": "/lib/systemd/systemd-networkd"}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        print(dns_ask(sys.argv[2], sys.argv[3], int(sys.argv[4]), bool(sys.argv[5])))
    else:
        sys.exit(kit.run_cases(Peers, PROGRAMS))
