"""A server that says what it is told to, for the tests of clients."""
import re
import socket
import threading
import time

SILENCE_SECONDS = 6


def is_whole(request):
    """Over TLS the end of a request is where its length says."""
    head, empty, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"\nContent-length: (\d+)", head)
    return bool(empty) and len(body) >= int(length.group(1) if length else 0)


class Canned:
    """Reads a request up to its end, says `answer` and closes. silent: says `first`, or `drip` byte after byte, and stays."""

    def __init__(self, answer, silent=False, unread=False, first=b"", drip=b"", host="127.0.0.1", wrap=None, port=0):
        self.answer, self.silent, self.unread = answer, silent, unread
        self.first, self.drip, self.wrap = first, drip, wrap
        self.requests = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, port), family=family, backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(s,), daemon=True).start()

    def one(self, s):
        s.settimeout(10)
        try:
            if self.wrap:
                s = self.wrap(s)
            self.talk(s)
        except OSError:
            pass
        finally:
            s.close()

    def talk(self, s):
        parts = []
        while not self.unread:
            part = s.recv(65536)
            if not part:
                break
            parts.append(part)
            if self.wrap and is_whole(b"".join(parts)):
                break
        self.requests.append(b"".join(parts))
        s.sendall(self.first)
        for byte in self.drip:
            s.sendall(bytes([byte]))
            time.sleep(0.1)
        if self.silent:
            time.sleep(SILENCE_SECONDS)
        s.sendall(self.answer)
