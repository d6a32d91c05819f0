"""An OpenLDAP server of a test's own, on loopback and a Unix socket."""
import base64
import os
import shutil
import socket
import subprocess
import urllib.parse

from harness import SOURCE, Skip, free_port, has_ipv6, until

SCHEMAS = "/etc/ldap/schema"


class Ldap:
    base, user, password = "dc=example,dc=org", "cn=admin,dc=example,dc=org", "secret word"

    def __init__(self, directory):
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        self.slapd, self.slapadd = shutil.which("slapd", path=path), shutil.which("slapadd", path=path)
        if not self.slapd or not self.slapadd or not os.path.isdir(SCHEMAS):
            raise Skip("no slapd")
        os.makedirs(os.path.join(directory, "db"))
        os.chmod(directory, 0o755)
        self.directory, self.process, self.port = directory, None, free_port()
        self.socket = os.path.join(directory, "s")
        self.urls = {"IPv4": "ldap://127.0.0.1:%d" % self.port, "socket": "ldapi://" + urllib.parse.quote(self.socket, safe="")}
        if has_ipv6():
            self.urls["IPv6"] = "ldap://[::1]:%d" % self.port
        modules = [m for m in ("/usr/lib/ldap", "/usr/lib64/openldap") if os.path.isdir(m)]
        with open(self.path("slapd.conf"), "w") as f:
            f.write("".join("include %s/%s.schema\n" % (SCHEMAS, name) for name in ("core", "cosine", "inetorgperson")))
            f.write("include %s\n" % os.path.join(SOURCE, "pkg", "ldap", "spamassassin.schema"))
            f.write("".join("modulepath %s\nmoduleload back_mdb\n" % m for m in modules))
            f.write('pidfile %s\ndatabase mdb\nmaxsize 10485760\nsuffix "%s"\nrootdn "%s"\nrootpw "%s"\ndirectory %s\n'
                    'access to attrs=spamassassin by anonymous none by * read\naccess to * by * read\n' % (
                        self.path("pid"), self.base, self.user, self.password, self.path("db")))

    def path(self, name):
        return os.path.join(self.directory, name)

    def fill(self, users):
        """users: name -> lines of preferences"""
        text = "dn: %s\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example\n\n" % self.base
        for number, (name, lines) in enumerate(users.items()):
            text += "dn: cn=user%d,%s\nobjectClass: inetOrgPerson\nobjectClass: spamAssassinUser\ncn: user%d\nsn: x\n" % (
                number, self.base, number)
            text += "uid:: %s\n" % base64.b64encode(name.encode()).decode()
            text += "".join("spamassassin:: %s\n" % base64.b64encode(line.encode()).decode() for line in lines) + "\n"
        with open(self.path("users.ldif"), "w") as f:
            f.write(text)
        subprocess.run([self.slapadd, "-f", self.path("slapd.conf"), "-l", self.path("users.ldif")], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([self.slapd, "-f", self.path("slapd.conf"), "-d", "0", "-h",
                                             " ".join(self.urls.values())], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.is_up, 60)

    def is_up(self):
        assert self.process.poll() is None, open(self.path("log")).read()[-2000:]
        try:
            socket.create_connection(("127.0.0.1", self.port), 5).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None
