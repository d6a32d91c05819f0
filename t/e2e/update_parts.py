"""What the tests of sa-update stand on: a name server and a web server on loopback, keys, archives of channels."""
import http.server
import io
import os
import shutil
import socket
import socketserver
import struct
import subprocess
import tarfile
import threading


class Names:
    """TXT records over UDP: {"name": ["text", ...]}, or a name that it is an alias of; other names do not exist."""

    def __init__(self, host="127.0.0.1"):
        self.records, self.asked = {}, []
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.host, self.port = host, self.socket.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def environment(self):
        return {"RES_NAMESERVERS": self.host, "RES_OPTIONS": "port:%d" % self.port}

    def run(self):
        while True:
            query, client = self.socket.recvfrom(4096)
            labels, at = [], 12
            while query[at]:
                labels.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            name, kind = ".".join(labels).lower(), struct.unpack(">H", query[at + 1:at + 3])[0]
            self.asked.append(name)
            texts, alias, owner = self.records.get(name), b"", b"\xc0\x0c"
            if isinstance(texts, str):
                target = b"".join(bytes([len(x)]) + x.encode() for x in texts.split(".")) + b"\0"
                alias = owner + struct.pack(">HHIH", 5, 1, 60, len(target)) + target
                texts, owner = self.records.get(texts), target
            answers = alias + b"".join(
                owner + struct.pack(">HHIH", 16, 1, 60, len(t) + 1) + bytes([len(t)]) + t.encode()
                for t in (texts or [])) if kind == 16 else b""
            header = query[:2] + struct.pack(">HHHHH", 0x8180 if texts is not None else 0x8183, 1,
                                             len(texts or []) + (alias != b"") if kind == 16 else 0, 0, 0)
            self.socket.sendto(header + query[12:at + 5] + answers, client)


class Web:
    """Files by path: {"/x": bytes}; an int is a status."""

    def __init__(self, host="127.0.0.1"):
        web = self
        self.files, self.asked = {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.asked.append(self.path)
                body = web.files.get(self.path.split("://", 1)[-1].split("/", 1)[-1] if "://" in self.path else self.path, 404)
                if "://" in self.path:
                    body = web.files.get("/" + self.path.split("/", 3)[3], 404)
                if isinstance(body, int):
                    self.send_error(body)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

            def server_bind(self):
                socketserver.TCPServer.server_bind(self)
                self.server_name, self.server_port = host, self.server_address[1]

        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        self.url = "http://%s:%d" % ("[%s]" % host if ":" in host else host, self.port)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Keys:
    """A gpg key of its own."""

    def __init__(self, directory, name):
        self.home = os.path.join(directory, "keys-" + name)
        os.makedirs(self.home, mode=0o700)
        self.gpg("--quick-generate-key", name + "@example.com", "ed25519", "sign", "0")
        lines = self.gpg("--list-keys", "--with-colons").splitlines()
        self.fingerprint = [x.split(":")[9] for x in lines if x.startswith("fpr")][0]
        self.public = os.path.join(directory, name + ".asc")
        with open(self.public, "w") as f:
            f.write(self.gpg("--armor", "--export"))

    def gpg(self, *arguments, data=None):
        done = subprocess.run(["gpg", "--homedir", self.home, "--batch", "--no-tty", "-q", "--passphrase", "",
                               "--pinentry-mode", "loopback"] + list(arguments), input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode("latin-1")

    def sign(self, data):
        return self.gpg("-bas", "-o", "-", data=data).encode()

    def end(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "gpg-agent"], stderr=subprocess.DEVNULL)


def archive(files, odd=()):
    """A .tar.gz of {"name": "text"}; odd: tarfile.TarInfo objects without contents."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in odd:
            tar.addfile(info)
    return out.getvalue()


def entry(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def tree(directory):
    """What a reader of rules sees: {path: text}, links followed, hidden names left out."""
    seen = {}
    for path, dirs, files in os.walk(directory, followlinks=True):
        dirs[:] = [d for d in dirs if not d.startswith(".")]
        for name in files:
            if not name.startswith("."):
                full = os.path.join(path, name)
                with open(full, "rb") as f:
                    seen[os.path.relpath(full, directory)] = f.read()
    return seen


def everything(directory):
    """All there is, hidden names too: to see that nothing was left behind."""
    found = []
    for path, dirs, files in os.walk(directory):
        found += [os.path.relpath(os.path.join(path, n), directory) for n in dirs + files]
    return sorted(found)


def have_gpg():
    return shutil.which("gpg") is not None
