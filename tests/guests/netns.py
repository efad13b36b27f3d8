# SPDX-License-Identifier: LGPL-2.1-or-later
"""netns.py - guests and hosts that are network namespaces, and a server that says who came."""
import http.server
import os
import re
import socket
import subprocess
import sys

import kit


class Namespace:
    """Lives as long as this object. `path` is good for the connector tap."""

    def __init__(self, lab):
        # It says when it has left ours.
        self.process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 3600"],
                                        stdout=subprocess.PIPE)
        self.process.stdout.readline()
        lab.callback(self.stop)
        self.path = f"/proc/{self.process.pid}/ns/net"
        self("ip", "link", "set", "lo", "up")

    def __call__(self, *words, check=True, seconds=60, env=None):
        done = subprocess.run(["nsenter", f"--net={self.path}", *map(str, words)], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds,
                              env=dict(os.environ, **(env or {})))
        if check and done.returncode != 0:
            raise kit.Failed(f"{' '.join(map(str, words))}: {done.stdout.strip()[-500:]}")
        return done.stdout

    def start(self, *words, env=None, out=subprocess.DEVNULL):
        return subprocess.Popen(["nsenter", f"--net={self.path}", *map(str, words)],
                                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                env=dict(os.environ, **(env or {})))

    def stop(self):
        self.process.kill()
        self.process.wait()

    def addresses(self, device, family=4):
        return re.findall(r"inet6? ([0-9a-f.:]+)/\d+ .*scope global",
                          self("ip", f"-{family}", "addr", "show", "dev", device))


class Here:
    """The namespace of the test itself, which is the host of its daemon."""

    def __call__(self, *words, check=True, seconds=60):
        done = subprocess.run([*map(str, words)], text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
        if check and done.returncode != 0:
            raise kit.Failed(f"{' '.join(map(str, words))}: {done.stdout.strip()[-500:]}")
        return done.stdout

    def start(self, *words, out=subprocess.DEVNULL):
        return subprocess.Popen([*map(str, words)], stdin=subprocess.DEVNULL, stdout=out,
                                stderr=out)


def background(lab, process):
    lab.callback(process.wait)
    lab.callback(process.kill)
    return process


def serve(lab, where, port):
    """An HTTP server for both families in a namespace, ready when this returns."""
    process = background(lab, where.start(sys.executable, __file__, port, out=subprocess.PIPE))
    if process.stdout.readline() != b"ready\n":
        raise kit.Failed(f"no server at port {port}")


class Handler(http.server.BaseHTTPRequestHandler):
    """GET /: the client's address and port. GET /N: N bytes. POST: how many bytes came."""
    protocol_version = "HTTP/1.1"

    def reply(self, data):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        count = self.path[1:]
        if count:
            self.reply(b"x" * int(count))
        else:
            address, port = self.client_address[:2]
            self.reply(f"{address.removeprefix('::ffff:')} {port}\n".encode())

    def do_POST(self):
        left = total = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 16)))
        self.reply(f"{total}\n".encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(self.server_address)


if __name__ == "__main__":
    server = Server(("::", int(sys.argv[1])), Handler)
    print("ready", flush=True)
    server.serve_forever()
