#!/usr/bin/env python3
"""What was learned, in Redis: every way to a server, passwords, TLS, replicas; a server that is stopped, hangs, or talks nonsense."""
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time

from harness import BUILD, HERE, Skip, Tests, ask, free_port, has_ipv6, request, until
from lessons import message, write
from redis_server import Redis

os.environ["WINNOW_MODULES"] = os.path.join(BUILD, "lib", "store")
tests = Tests()
LEARN, COMMAND = os.path.join(BUILD, "cmd", "sa-learn"), os.path.join(BUILD, "cmd", "spamassassin")
RULES, SITE, MAIL = os.path.join(HERE, "rules"), tests.path("site"), tests.path("mail")
os.mkdir(SITE)
os.mkdir(MAIL)
with open(os.path.join(SITE, "v.pre"), "w") as f:
    f.write("loadplugin Mail::SpamAssassin::Plugin::Bayes\n")
with open(os.path.join(SITE, "local.cf"), "w") as f:
    f.write("""bayes_store_module Mail::SpamAssassin::BayesStore::Redis
bayes_min_ham_num 5
bayes_min_spam_num 5
bayes_auto_learn 0
body BAYES_LOW eval:check_bayes('0.00', '0.40')
body BAYES_HIGH eval:check_bayes('0.60', '1.00')
tflags BAYES_LOW nice learn
tflags BAYES_HIGH learn
score BAYES_LOW 0 0 -1.0 -1.0
score BAYES_HIGH 0 0 2.0 2.0
add_header all Status tests=_TESTS_ bayes=_BAYES_
""")


SPAM, HAM = write(MAIL, "spam", 30), write(MAIL, "ham", 30)
PASSWORD = "s3cret,with=signs"
PORT = free_port()
try:
    server = Redis(tests.path("redis"), "--port", str(PORT), "--bind", "127.0.0.1", *(["::1"] if has_ipv6() else []),
                   "--save", "", password=PASSWORD)
except Skip as reason:
    print("1..0 # SKIP %s" % reason)
    sys.exit(0)
LOCAL = "bayes_sql_dsn server=%s;password=%s" % (server.path, PASSWORD)


def run(program, arguments, text=b"", check=True, **more):
    p = subprocess.run([program, "-C", RULES, "--siteconfigpath", SITE, "-p", "/dev/null"] + list(arguments), input=text,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, **more)
    assert not check or p.returncode == 0, (arguments[:4], p.returncode, p.stdout, p.stderr)
    return p.returncode, p.stdout.decode("latin-1"), p.stderr.decode("latin-1")


def lines(config):
    return [word for line in config.split("\n") for word in ("--cf", line)]


def learn(config, *arguments, **named):
    return run(LEARN, lines(config) + list(arguments), **named)


def counts(config):
    out = learn(config, "--dump", "magic")[1]
    return tuple(int(re.search(r"(\d+) +0  non-token data: %s\n" % name, out).group(1)) for name in ("nspam", "nham"))


def scan(config, text, **named):
    return run(COMMAND, ["-L", "-x"] + lines(config), text, **named)


@tests.case("learned, learned again, as the opposite, forgotten; scored")
def _():
    assert counts(LOCAL) == (0, 0)
    assert "Learned tokens from 60 message(s) (60 message(s) examined)" in learn(
        LOCAL, "--spam", *SPAM, "--ham", *HAM)[1]
    assert "Learned tokens from 0 message(s) (30" in learn(LOCAL, "--spam", *SPAM)[1]
    learn(LOCAL, "--ham", SPAM[0])
    assert counts(LOCAL) == (29, 31)
    assert "Forgot tokens from 1 message(s) (1" in learn(LOCAL, "--forget", SPAM[0])[1]
    learn(LOCAL, "--spam", SPAM[0])
    assert counts(LOCAL) == (30, 30)
    assert "BAYES_HIGH" in scan(LOCAL, message("spam", 100))[1]
    assert "BAYES_LOW" in scan(LOCAL, message("ham", 100))[1]


@tests.case("what is there has the keys and the times to live of the reference")
def _():
    contents = server.contents()
    assert set(re.sub(rb"(?s)^([ws]):.*", rb"\1", k) for k in contents) == {
        b"w", b"s", b"v:DB_VERSION", b"v:NSPAM", b"v:NHAM", b"v:TOKEN_FORMAT"}
    for key, (_value, left) in contents.items():
        most = {b"w:": 21 * 86400, b"s:": 8 * 86400, b"v:": -1}[key[:2]]
        assert left == -1 if most == -1 else most - 600 < left <= most, (key, left)
    learn(LOCAL.replace(";password", ";database=5;password") + "\nbayes_token_ttl 1h\nbayes_seen_ttl 2h", "--spam", SPAM[1])
    assert {left > 3000 and left <= 7200 for key, (_v, left) in server.contents(5).items() if key[:2] != b"v:"} == {True}
    learn(LOCAL.replace(";password", ";database=6;password") + "\nbayes_auto_expire 0", "--spam", SPAM[1])
    assert {left for _value, left in server.contents(6).values()} == {-1}


@tests.case("tokens of a message that is scanned live on")
def _():
    key = next(k for k in server.contents() if k.startswith(b"w:"))
    keys = [k for k in server.contents() if k.startswith(b"w:")]
    server.batch([("EXPIRE", k, 1000) for k in keys])
    scan(LOCAL, message("spam", 3))
    until(lambda: any(left > 1000 for _value, left in server.contents().values()))
    assert key in server.contents()


@tests.case("IPv4, IPv6, a name, a Unix socket; without a password, with a wrong one, with one of a user")
def _():
    for host in ["127.0.0.1", "localhost"] + ["[::1]"] * has_ipv6():
        config = "bayes_sql_dsn server=%s:%d;password=%s" % (host, PORT, PASSWORD)
        assert counts(config) == (30, 30), config
    place = "bayes_sql_dsn server=127.0.0.1:%d" % PORT
    for config, text in ((place, "wants a password"), (place + ";password=no", "WRONGPASS"),
                         (place + ";user=me;password=no", "WRONGPASS"),
                         (LOCAL + ";database=99", "DB index is out of range"),
                         ("bayes_sql_dsn server=127.0.0.1", "is no server: host:port, [IPv6 address]:port or /path"),
                         ("bayes_sql_dsn server=::1:6379", "is no server"),
                         ("bayes_sql_dsn nonsense", "is no option=value"),
                         ("bayes_sql_dsn server=no.such.host.invalid:6379", "Redis server no.such.host.invalid:6379: "),
                         ("bayes_sql_dsn server=%s" % tests.path("nothing"), "No such file")):
        code, out, err = learn(config, "--dump", "magic", check=False)
        assert code == 255 and text in err, (config, code, err)
        code, out, err = scan(config, message("spam", 100))
        assert "Subject: spam" in out and "BAYES" not in out and err.count(text) == 1, (config, err)
        assert "s3cret" not in err
    server.do("ACL", "SETUSER", "me", "on", ">mine", "~*", "+@all")
    assert counts("%s;user=me;password=mine" % place) == (30, 30)


@tests.case("TLS: the server's certificate is checked")
def _():
    def openssl(*arguments):
        subprocess.run(["openssl"] + list(arguments), cwd=tests.directory, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    for name in ("own", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", name + ".key", "-out", name + ".pem", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    port = free_port()
    try:
        safe = Redis(tests.path("tls"), "--tls-port", str(port), "--bind", "127.0.0.1", "--tls-cert-file", tests.path("own.pem"),
                     "--tls-key-file", tests.path("own.key"), "--tls-ca-cert-file", tests.path("own.pem"), "--save", "",
                     "--tls-auth-clients", "optional")
    except AssertionError:
        raise Skip("this redis-server has no TLS")
    try:
        for host in ("localhost", "127.0.0.1"):
            config = "bayes_sql_dsn server=%s:%d;tls=1;tls_ca=%s" % (host, port, tests.path("own.pem"))
            learn(config, "--spam", *SPAM, "--ham", *HAM)
            assert counts(config) == (30, 30)
            assert "BAYES_HIGH" in scan(config, message("spam", 100))[1]
        config = "bayes_sql_dsn server=localhost:%d;tls=1" % port
        assert "its certificate: " in learn(config, "--dump", check=False)[2]
        assert "its certificate: " in learn(config + ";tls_ca=" + tests.path("other.pem"), "--dump", check=False)[2]
        assert "tls_ca cannot be used" in learn(config + ";tls_ca=/nonexistent", "--dump", check=False)[2]
        assert counts(config + ";tls_verify=0") == (30, 30)
        assert learn(config.replace(";tls=1", ""), "--dump", check=False)[0] == 255
    finally:
        safe.stop()


@tests.case("backup, restore, clear: with a prefix, and other people's keys stay")
def _():
    text = tests.path("dump")
    with open(text, "w", encoding="latin-1") as f:
        f.write(learn(LOCAL, "--backup")[1])
    other = LOCAL + ";database=1\nbayes_redis_prefix a*[b]:"
    server.batch([("SET", "ab:w:12345", "theirs"), ("HSET", "w:12345", "s", "7")], 1)
    for _round in range(2):
        learn(other, "--restore", text)
        assert counts(other) == (30, 30)
    again = learn(other, "--backup")[1]
    with open(text, encoding="latin-1") as f:
        assert re.sub(r"(t\t\d+\t\d+\t)\d+", r"\1", again) == re.sub(r"(t\t\d+\t\d+\t)\d+", r"\1", f.read())
    assert learn(other, "--restore", SPAM[0], check=False)[0] == 255
    assert counts(other) == (30, 30)
    assert "BAYES_HIGH" in scan(other, message("spam", 100))[1]
    learn(other, "--clear")
    assert set(server.contents(1)) == {b"ab:w:12345", b"w:12345"}
    assert counts(LOCAL) == (30, 30)


@tests.case("a restored file is all there or not at all, also when the writer is killed")
def _():
    text, config = tests.path("large"), LOCAL + ";database=2"
    with open(text, "w") as f:
        f.write("v\t3\tdb_version # this must be the first line!!!\nv\t9\tnum_spam\nv\t9\tnum_nonspam\n")
        f.writelines("t\t1\t2\t1700000000\t%010x\n" % n for n in range(200000))
        f.writelines("s\ts\tid%d\n" % n for n in range(20000))
    learn(config, "--spam", SPAM[0])
    before = server.contents(2)
    for _turn in range(8):
        victim = subprocess.Popen([LEARN, "-C", RULES, "--siteconfigpath", SITE, "-p", "/dev/null", "--cf", config, "--restore",
                                   text], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() * 0.4)
        if victim.poll() is None:
            victim.kill()
        if victim.wait() == 0:
            break
        assert set(server.contents(2)) == set(before)
    learn(config, "--restore", text)
    assert counts(config) == (9, 9)
    assert server.do("DBSIZE", database=2) == 220004


@tests.case("writers are killed at any moment: what is counted is there")
def _():
    config = LOCAL + ";database=3"
    for _turn in range(15):
        victim = subprocess.Popen([LEARN, "-C", RULES, "--siteconfigpath", SITE, "-p", "/dev/null", "--cf", config, "--spam"] +
                                  SPAM, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.random() * 0.1)
        victim.kill()
        victim.wait()
        messages = len(server.do("KEYS", "s:*", database=3))
        assert int(server.do("GET", "v:NSPAM", database=3) or 0) == messages
    learn(config, "--spam", *SPAM)
    assert counts(config) == (30, 0)
    fresh = LOCAL + ";database=4"
    learn(fresh, "--spam", *SPAM)
    assert {k: v[0] for k, v in server.contents(3).items()} == {k: v[0] for k, v in server.contents(4).items()}


def bayes_lines(spamd):
    return [line for line in spamd.log().splitlines() if " bayes: " in line]


def start(config, *options):
    port = free_port()
    spamd = tests.spamd(["127.0.0.1:%d" % port], ["--allow-tell", "--siteconfigpath", SITE] + lines(config) + list(options))
    spamd.wait_for(("127.0.0.1", port))
    return spamd, ("127.0.0.1", port)


def verdict(address, kind="spam", number=100):
    answer = ask(address, request("SYMBOLS", message(kind, number)))
    assert answer.startswith(b"SPAMD/1.1 0 EX_OK"), answer
    return b"BAYES_HIGH" in answer or b"BAYES_LOW" in answer


@tests.case("spamd learns, forgets and scores in its sandbox")
def _():
    spamd, address = start(LOCAL + ";database=7")

    def tell(text, *headers):
        return ask(address, request("TELL", text, headers=headers))

    for number in range(8):
        assert b"DidSet: local\r\n" in tell(message("spam", number), "Message-class: spam", "Set: local")
        assert b"DidSet: local\r\n" in tell(message("ham", number), "Message-class: ham", "Set: local")
    assert b"DidSet" not in tell(message("spam", 3), "Message-class: spam", "Set: local")
    assert b"DidRemove: local\r\n" in tell(message("spam", 7), "Remove: local")
    assert counts(LOCAL + ";database=7") == (7, 8)
    assert verdict(address) and verdict(address, "ham")
    assert spamd.stop() == 0
    assert "refused" not in spamd.log() and not bayes_lines(spamd), spamd.log()


@tests.case("users of one server share one connection")
def _():
    spamd, address = start(LOCAL, "-m", "1")
    before = int(re.search(rb"total_connections_received:(\d+)", server.do("INFO")).group(1))
    for number in range(20):
        answer = ask(address, request("SYMBOLS", message("spam", number), headers=["User: user%d" % number]))
        assert b"BAYES_HIGH" in answer
    made = int(re.search(rb"total_connections_received:(\d+)", server.do("INFO")).group(1)) - before
    assert made <= 3, made
    spamd.stop()


@tests.case("the server is stopped and started under load: every message has its verdict, one line says it")
def _():
    crash = Redis(tests.path("crash"), "--save", "", "--dbfilename", "d.rdb")
    config = "bayes_sql_dsn server=" + crash.path
    learn(config, "--spam", *SPAM, "--ham", *HAM)
    spamd, address = start(config, "-m", "1", "--max-conn-per-child", "0")
    seen, bad, going = [], [], [True]

    def client(n):
        while going[0]:
            try:
                seen.append(verdict(address, "spam" if n % 2 else "ham", random.randrange(50)))
            except Exception as e:
                bad.append(e)

    clients = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for c in clients:
        c.start()
    until(lambda: len(seen) > 50)
    assert all(seen), seen.count(False)
    crash.stop(save=True)
    begun = len(seen)
    until(lambda: len(seen) > begun + 50)
    assert not seen[-1]
    crash.start()
    until(lambda: seen[-1], 40)
    going[0] = False
    for c in clients:
        c.join()
    assert not bad, bad[:3]
    told = bayes_lines(spamd)
    assert len([t for t in told if "Redis server" in t]) == 1 and "there again" in told[-1] and len(told) == 2, told
    spamd.stop()
    crash.stop()


@tests.case("the server hangs: one message waits, the next ones do not ask; learning says that it was not done")
def _():
    hung = Redis(tests.path("hung"), "--save", "")
    config = "bayes_sql_dsn server=" + hung.path
    learn(config, "--spam", *SPAM, "--ham", *HAM)
    spamd, address = start(config, "-m", "1")
    assert verdict(address)
    os.kill(hung.process.pid, 19)
    assert not any([verdict(address) for _ in range(20)])
    answer = ask(address, request("TELL", message("spam", 200), headers=["Message-class: spam", "Set: local"]))
    assert answer.startswith(b"SPAMD/1.1 0 EX_OK") and b"DidSet" not in answer
    os.kill(hung.process.pid, 18)
    told = bayes_lines(spamd)
    assert len(told) == 1 and "no answer in time" in told[0], told
    until(lambda: verdict(address), 40)
    spamd.stop()
    hung.stop()


@tests.case("a connection that the server closed while it was idle is made anew, silently")
def _():
    spamd, address = start(LOCAL, "-m", "1")
    for _turn in range(3):
        assert verdict(address)
        server.do("CLIENT", "KILL", "TYPE", "normal")
    assert verdict(address)
    spamd.stop()
    assert not bayes_lines(spamd), bayes_lines(spamd)


@tests.case("what is no Redis server: said once, mail is scored")
def _():
    listener = socket.create_server(("127.0.0.1", 0))
    answers = [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 50, b"+OK\r\n" * 9 + b"*1000000000\r\n", b"$-5\r\n$999999999999\r\n",
               b"*2\r\n*2\r\n" * 40, os.urandom(3000), b"", b"+OK\r\n+OK\r\n*2\r\n$1\r\n3\r\n$1\r\n2\r\n*1\r\n:7\r\n", b":1\r\n" * 999]

    def serve():
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            try:
                client.recv(100000)
                client.sendall(answers[turn % len(answers)])
                client.recv(100000)
            except OSError:
                pass
            client.close()

    threading.Thread(target=serve, daemon=True).start()
    for turn in range(len(answers)):
        code, out, err = scan("bayes_sql_dsn server=127.0.0.1:%d" % listener.getsockname()[1], message("spam", 100))
        assert "Subject: spam" in out and "BAYES" not in out, out
        assert err.count("Redis server") <= 1 and "Sanitizer" not in err, (turn, err)
    listener.close()


@tests.case("the module is not there: said, mail is scored")
def _():
    env = dict(os.environ, WINNOW_MODULES="/nonexistent")
    code, out, err = scan(LOCAL, message("spam", 100), env=env)
    assert "Subject: spam" in out and "cannot load /nonexistent/redis.so" in err
    code, out, err = learn(LOCAL, "--spam", SPAM[0], env=env, check=False)
    assert code == 255 and "cannot load" in err


@tests.case("replicas are read from, one is written to; each may be away")
def _():
    ports = [free_port() for _ in range(3)]
    first = Redis(tests.path("first"), "--port", str(ports[0]), "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay",
                  "0")
    copies = [Redis(tests.path("copy%d" % n), "--port", str(ports[n]), "--bind", "127.0.0.1", "--save", "", "--replicaof",
                    "127.0.0.1 %d" % ports[0]) for n in (1, 2)]
    config = ("bayes_redis_write_server server=127.0.0.1:%d\nbayes_redis_database 3\n"
              "bayes_redis_read_servers server=127.0.0.1:%d, server=%s" % (ports[0], ports[1], copies[1].path))
    try:
        learn(config, "--spam", *SPAM, "--ham", *HAM)
        for copy in copies:
            until(lambda: copy.do("GET", "v:NHAM", database=3) == b"30", 40)
        spamd, address = start(config, "-m", "1")
        assert verdict(address)
        assert first.do("INFO", "commandstats").count(b"cmdstat_hmget") == 0
        copies[0].stop()
        assert all([verdict(address) for _ in range(5)])
        first.stop()
        assert all([verdict(address) for _ in range(5)])
        assert b"DidSet" not in ask(address, request("TELL", message("spam", 90), headers=["Message-class: spam", "Set: local"]))
        assert all([verdict(address) for _ in range(5)])
        told = bayes_lines(spamd)
        assert len(told) <= 1, told
        spamd.stop()
    finally:
        for one in copies + [first]:
            one.stop()


try:
    tests.main()
finally:
    server.stop()
