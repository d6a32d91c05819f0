"""A name server that behaves as the name asked for says, in threads of the test itself.

Labels before `.test` are orders, e.g. `x.slow500.test`: answers after 500 ms. See World.answer(). UDP and TCP on one port.
"""
import errno
import random
import socket
import struct
import threading
import time

A, NS, CNAME, SOA, MX, TXT, AAAA = 1, 2, 5, 6, 15, 16, 28


def wire(name):
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin1")
    return out + b"\0"


def record(kind, data, owner=b"\xc0\x0c", ttl=60):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def txt(text):
    data = text if isinstance(text, bytes) else text.encode("latin1")
    return b"".join(bytes([len(data[i:i + 255])]) + data[i:i + 255] for i in range(0, len(data) or 1, 255))


class FakeDns:
    def __init__(self, host="127.0.0.1", zone=None, seed=1):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.zone = zone or {}  # (name, type) -> list of rdata
        self.random = random.Random(seed)
        self.asked, self.lock = [], threading.Lock()
        self.mute = False
        while not self.bind_both(family, host):
            pass
        self.tcp.listen(64)
        self.liar = socket.socket(family, socket.SOCK_DGRAM)  # another port of ours
        self.liar.bind((host, 0))
        self.late, self.wake = [], threading.Event()
        for work in (self.serve_udp, self.serve_tcp, self.serve_late):
            threading.Thread(target=work, daemon=True).start()

    def bind_both(self, family, host):
        """One port for UDP and TCP; False: somebody has the other half of it."""
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.udp.bind((host, 0))
        self.host, self.port = host, self.udp.getsockname()[1]
        self.tcp = socket.socket(family, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.tcp.bind((host, self.port))
        except OSError as error:
            self.udp.close()
            self.tcp.close()
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True

    @property
    def server(self):
        return "[%s]:%d" % (self.host, self.port)

    def count(self, part):
        with self.lock:
            return sum(part in name for name, _, _ in self.asked)

    def parse(self, packet):
        at, labels = 12, []
        while packet[at]:
            labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin1"))
            at += packet[at] + 1
        return ".".join(labels), struct.unpack("!H", packet[at + 1:at + 3])[0], packet[12:at + 5]

    def packet(self, ident, question, records, flags=0, rcode=0, authority=b""):
        return struct.pack("!HHHHHH", ident, 0x8180 | flags | rcode, 1, len(records), 1 if authority else 0, 0) + question + \
            b"".join(records) + authority

    def reply(self, packet, is_tcp):
        """[(delay in s, bytes, from the wrong socket)]; [] = silence"""
        ident = struct.unpack("!H", packet[:2])[0]
        name, kind, question = self.parse(packet)
        with self.lock:
            self.asked.append((name.lower(), kind, is_tcp))
        if self.mute:
            return []
        orders = name.lower().split(".")
        zone = self.zone.get((name.lower(), kind))
        records = [record(kind, data) for data in zone] if zone else \
            [record(A, b"\x7f\0\0\x02")] if kind == A and not self.zone else []
        flags = rcode = 0
        delay, copies, liar, authority = 0, 1, False, b""
        before = []
        for order in orders:
            if order.startswith("slow"):
                delay = int(order[4:]) / 1000
            elif order == "lossy" and self.random.random() < 0.5:
                return []
            elif order == "mute":
                return []
            elif order == "nxdomain":
                records, rcode = [], 3
                authority = record(SOA, wire("ns.test") + wire("root.test") + struct.pack("!5I", 1, 2, 3, 4, 77), ttl=99)
            elif order == "servfail":
                records, rcode = [], 2
            elif order == "refused":
                records, rcode = [], 5
            elif order == "ad":
                flags |= 0x20
            elif order == "twice":
                copies = 2
            elif order == "tc" and not is_tcp:
                records, flags = [], flags | 0x200
            elif order == "hang" and is_tcp:
                return []
            elif order == "reset" and is_tcp:
                raise ConnectionResetError(name)  # the connection ends
            elif order == "flood":  # guesses, then the truth
                before = [(0, self.packet((ident + 1 + i) & 0xffff, question, [record(A, b"\x7f\0\0\x09")]), False)
                          for i in range(3000)]
                delay = 0.5
            elif order == "wrongid":
                return [(0, self.packet(ident ^ 1, question, records), False)]
            elif order == "wrongname":
                return [(0, self.packet(ident, wire("other.test") + question[-4:], records), False)]
            elif order == "wrongtype":
                return [(0, self.packet(ident, question[:-4] + b"\0\x10\0\x01", records), False)]
            elif order == "wrongsource":
                return [(0, self.packet(ident, question, records), True)]
            elif order == "noquestion":
                return [(0, struct.pack("!HHHHHH", ident, 0x8180, 0, 1, 0, 0) + record(A, b"\x7f\0\0\x02", wire(name)), False)]
            elif order == "liesfirst":  # then the truth
                before = [(0, self.packet(ident ^ 5, question, [record(A, b"\x7f\0\0\x09")]), False),
                          (0, self.packet(ident, question, [record(A, b"\x7f\0\0\x09")]), True)]
                delay = 0.05
            elif order == "othercase":
                question = wire(name.swapcase()) + question[-4:]
            elif order == "lowercase":
                question = wire(name.lower()) + question[-4:]
            elif order == "garbage":
                return [(0, packet[:2] + bytes(self.random.randrange(256) for _ in range(60)), False)]
            elif order == "short":
                return [(0, self.packet(ident, question, records)[:-7], False)]
            elif order == "loop":
                records = [record(A, b"\x7f\0\0\x02", struct.pack("!H", 0xc000 | (12 + len(question)))),
                           record(CNAME, struct.pack("!H", 0xc000 | (12 + len(question))))]
            elif order == "cnames":
                records = [record(CNAME, wire("c%d.test" % (i + 1)), wire("c%d.test" % i)) for i in range(100)] + \
                          [record(CNAME, wire("c0.test"), wire("c100.test"))]
            elif order == "big":
                records = [record(TXT, txt(b"x" * 60000))]
                if not is_tcp:
                    records, flags = [], flags | 0x200
            elif order == "lots":
                records = [record(A, struct.pack("!I", 0x7f000000 + i)) for i in range(3900)]
                if not is_tcp:
                    records, flags = [], flags | 0x200
        data = self.packet(ident, question, records, flags, rcode, authority)
        return before + [(delay, data, liar)] * copies

    def serve_udp(self):
        while True:
            packet, peer = self.udp.recvfrom(65535)
            for delay, data, liar in self.reply(packet, False):
                sock = self.liar if liar else self.udp
                if delay == 0:
                    sock.sendto(data, peer)
                    continue
                with self.lock:
                    self.late.append((time.monotonic() + delay, sock, data, peer))
                self.wake.set()

    def serve_late(self):
        while True:
            now = time.monotonic()
            with self.lock:
                due = [x for x in self.late if x[0] <= now]
                self.late = [x for x in self.late if x[0] > now]
                rest = min((x[0] for x in self.late), default=now + 1)
            for _, sock, data, peer in due:
                sock.sendto(data, peer)
            self.wake.wait(max(0.0005, min(rest - time.monotonic(), 1)))
            self.wake.clear()

    def serve_tcp(self):
        while True:
            threading.Thread(target=self.serve_connection, args=(self.tcp.accept()[0],), daemon=True).start()

    def serve_connection(self, s):
        try:
            while True:
                head = s.recv(2, socket.MSG_WAITALL)
                if len(head) < 2:
                    return
                packet = s.recv(struct.unpack("!H", head)[0], socket.MSG_WAITALL)
                for delay, data, _ in self.reply(packet, True):
                    time.sleep(delay)
                    s.sendall(struct.pack("!H", len(data)) + data)
        except OSError:
            pass
