"""A redis-server of the test's own, and a client just large enough to look into it."""
import atexit
import os
import shutil
import socket
import subprocess
import time

from harness import Skip, until


class Redis:
    """On a Unix socket, and on TCP ports where asked."""

    def __init__(self, directory, *options, password=None):
        if not shutil.which("redis-server"):
            raise Skip("no redis-server")
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)
        self.path, self.password, self.directory = os.path.join(directory, "sock"), password, directory
        self.options = list(options) + (["--requirepass", password] if password else [])
        if "--port" not in options:
            self.options += ["--port", "0"]
        self.process = None
        atexit.register(self.stop)
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--unixsocket", self.path, "--unixsocketperm", "777", "--dir", self.directory, "--appendonly",
             "no"] + self.options, stdin=subprocess.DEVNULL, stdout=open(os.path.join(self.directory, "log"), "ab"),
            stderr=subprocess.STDOUT)
        until(self.is_up)

    def is_up(self):
        assert self.process.poll() is None, open(os.path.join(self.directory, "log")).read()[-2000:]
        try:
            return self.do("PING") == b"PONG"
        except OSError:
            return False

    def stop(self, save=False):
        if save:
            self.do("SAVE")
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def do(self, *command, database=0):
        return self.batch([command], database)[0]

    def batch(self, commands, database=0):
        """Replies in order; an error is a RuntimeError in its place."""
        first = ([("AUTH", self.password)] if self.password else []) + [("SELECT", database)]
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(self.path)
            out = s.makefile("rb")
            replies = []
            for at in range(0, len(first + commands), 500):
                piece = (first + commands)[at:at + 500]
                s.sendall(b"".join(map(encode, piece)))
                replies += [decode(out) for _ in piece]
            return replies[len(first):]

    def contents(self, database=0):
        """key -> (DUMP's bytes, seconds to live)"""
        keys = self.do("KEYS", "*", database=database)
        replies = self.batch([(c, k) for k in keys for c in ("DUMP", "TTL")], database)
        return dict(zip(keys, zip(replies[::2], replies[1::2])))


def encode(command):
    parts = [p if isinstance(p, bytes) else str(p).encode() for p in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def decode(stream):
    line = stream.readline()
    if not line:
        raise ConnectionResetError("redis-server closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest
    if kind == b"-":
        return RuntimeError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2]
    return [decode(stream) for _ in range(int(rest))]
