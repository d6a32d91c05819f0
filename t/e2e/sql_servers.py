"""PostgreSQL, MariaDB and SQLite of a test's own: in a directory, on loopback and Unix sockets, ended with the test.

Each has: name, module (bayes_store_module), dsns (name -> DSN), user, password, tables (bayes_*.sql), start(), stop(), sql(text).
"""
import glob
import os
import shutil
import signal
import subprocess

from harness import SOURCE, Skip, free_port, has_ipv6, until

TABLES = os.path.join(SOURCE, "pkg", "sql")


def run(command, **named):
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, **named)
    assert p.returncode == 0, (command, p.stdout.decode("latin-1")[-2000:])
    return p.stdout.decode("latin-1")


def as_nobody(directory):
    """Servers do not run as root: the words before their command."""
    if os.geteuid() != 0:
        return []
    run(["chown", "-R", "nobody", directory])
    return ["setpriv", "--reuid", "nobody", "--clear-groups"]


class Server:
    user, password, end = "filter", "secret word", signal.SIGKILL

    def __init__(self, directory):
        os.makedirs(directory)
        os.chmod(directory, 0o755)
        self.directory, self.process = directory, None
        self.port = free_port()
        self.socket = os.path.join(directory, "s")
        os.mkdir(self.socket)
        self.data = os.path.join(directory, "data")

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="latin-1") as f:
            return f.read()

    def start(self):
        if self.process is not None:
            return
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.directory)
        until(self.is_up, 60)

    def is_up(self):
        assert self.process.poll() is None, self.log()[-2000:]
        try:
            self.sql("SELECT 1", database=None)
            return True
        except AssertionError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.send_signal(self.end)
            self.process.wait()
        self.process = None

    def tables(self, kind="bayes", database="mail"):
        with open(os.path.join(TABLES, "%s_%s.sql" % (kind, self.suffix))) as f:
            self.sql(f.read(), database=database)


class PostgreSQL(Server):
    name, module, suffix = "PostgreSQL", "Mail::SpamAssassin::BayesStore::PgSQL", "pg"
    perl, end = "DBD::Pg", signal.SIGINT  # ends its children, and writes what was committed

    def __init__(self, directory):
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")) or [shutil.which("initdb") or ""]
        if not found[-1] or not shutil.which("psql"):
            raise Skip("no PostgreSQL")
        super().__init__(directory)
        self.before = as_nobody(directory)
        run(self.before + [found[-1], "-D", self.data, "-U", "admin", "-E", "UTF8", "--locale=C", "-A", "trust"],
            cwd=directory)
        with open(os.path.join(self.data, "pg_hba.conf"), "w") as f:
            f.write("local all admin trust\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n")
        hosts = "127.0.0.1,::1" if has_ipv6() else "127.0.0.1"
        self.command = self.before + [os.path.join(os.path.dirname(found[-1]), "postgres"), "-D", self.data, "-p",
                                      str(self.port), "-k", self.socket, "-h", hosts, "-F"]
        self.start()
        self.sql("CREATE ROLE %s LOGIN PASSWORD '%s'" % (self.user, self.password), database=None)
        self.create("mail")
        self.dsns = {"socket": self.dsn("mail"), "IPv4": self.dsn("mail", "127.0.0.1"), "IPv6": self.dsn("mail", "::1")}

    def dsn(self, database, host=None):
        return "DBI:Pg:dbname=%s;host=%s;port=%d" % (database, host or self.socket, self.port)

    def create(self, database):
        self.sql("CREATE DATABASE %s OWNER %s" % (database, self.user), database=None)

    def sql(self, text, database="mail"):
        """As the owner of what it makes; the answer's lines, fields apart by |."""
        if database:
            text = "SET ROLE %s;\n%s" % (self.user, text)
        return run(["psql", "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-p", str(self.port), "-U",
                    "admin", "-d", database or "postgres", "-f", "-"], input=text.encode())


class MariaDB(Server):
    name, module, suffix = "MariaDB", "Mail::SpamAssassin::BayesStore::MySQL", "mysql"
    perl = "DBD::mysql"

    def __init__(self, directory):
        for program in ("mariadbd", "mariadb-install-db", "mariadb"):
            if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
                raise Skip("no " + program)
        super().__init__(directory)
        self.socket = os.path.join(self.socket, "m")
        before = as_nobody(directory)
        run(before + ["mariadb-install-db", "--no-defaults", "--datadir=" + self.data, "--skip-test-db",
                      "--auth-root-authentication-method=normal"], cwd=directory)
        hosts = "127.0.0.1,::1" if has_ipv6() else "127.0.0.1"
        self.command = before + [shutil.which("mariadbd", path="/usr/sbin:/usr/bin"), "--no-defaults", "--datadir=" + self.data,
                                 "--socket=" + self.socket, "--bind-address=" + hosts, "--port=%d" % self.port,
                                 "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M"]
        self.start()
        for host in ("%", "localhost"):
            self.sql("CREATE USER '%s'@'%s' IDENTIFIED BY '%s'; GRANT ALL ON *.* TO '%s'@'%s'" % (
                self.user, host, self.password, self.user, host), database=None)
        self.create("mail")
        self.dsns = {"socket": self.dsn("mail"), "IPv4": self.dsn("mail", "127.0.0.1"),
                     "IPv6": self.dsn("mail", "[::1]")}

    def dsn(self, database, host=None):
        if host:
            return "DBI:mysql:%s:%s:%d" % (database, host, self.port)
        return "DBI:mysql:database=%s;mysql_socket=%s" % (database, self.socket)

    def create(self, database):
        self.sql("CREATE DATABASE %s" % database, database=None)

    def sql(self, text, database="mail"):
        return run(["mariadb", "--no-defaults", "-N", "-B", "-uroot", "-S", self.socket] + [database] * (database is not None),
                   input=text.encode()).replace("\t", "|")


class SQLite:
    name, module, suffix = "SQLite", "Mail::SpamAssassin::BayesStore::SQL", "sqlite"
    perl, user, password = "DBD::SQLite", "", ""

    def __init__(self, directory):
        if not shutil.which("sqlite3"):
            raise Skip("no sqlite3")
        os.makedirs(directory)
        os.chmod(directory, 0o777)
        self.directory = directory
        self.create("mail")
        self.dsns = {"file": self.dsn("mail")}

    def path(self, database):
        return os.path.join(self.directory, database + ".sqlite")

    def dsn(self, database, host=None):
        return "DBI:SQLite:dbname=%s" % self.path(database)

    def create(self, database):
        run(["sqlite3", self.path(database), "VACUUM"])
        os.chmod(self.path(database), 0o666)

    def tables(self, kind="bayes", database="mail"):
        with open(os.path.join(TABLES, "%s_%s.sql" % (kind, self.suffix))) as f:
            self.sql(f.read(), database)

    def start(self):
        pass

    def stop(self):
        pass

    def sql(self, text, database="mail"):
        return run(["sqlite3", "-bail", "-cmd", ".timeout 20000", self.path(database)], input=text.encode())


KINDS = [PostgreSQL, MariaDB, SQLite]
