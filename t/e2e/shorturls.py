#!/usr/bin/env python3
"""DecodeShortURLs and Redirectors: where links lead, asked of web servers of the test's own.

In a network namespace (root) the servers have addresses of the internet; the proxy cases run anywhere, beside SpamAssassin
where it and LWP are installed. WINNOW_REDIRECTORS_PM: the module of 4.0.2, for those cases too."""
import http.server
import os
import re
import socket
import sqlite3
import subprocess
import threading
import time

from fakedns import A, AAAA, FakeDns
from harness import BUILD, Skip, Tests, ask, own_network, request, until

OWN_NETWORK = own_network(__file__)
tests = Tests()
OURS, REFERENCE = os.path.join(BUILD, "cmd", "spamassassin"), "/usr/bin/spamassassin"
os.environ["WINNOW_MODULES"] = os.path.join(BUILD, "lib", "net")
MODULE = os.path.join(BUILD, "lib", "net", "http-curl.so")
REDIRECTORS = os.environ.get("WINNOW_REDIRECTORS_PM")
for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
    os.environ.pop(name, None)

CHECKS = ("redir", "chained", "maxchain", "loop")
SHORT = """
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::DecodeShortURLs
url_shortener brief.test .page.test
url_shortener_get get.test
body FOUND eval:short_url()
body C200 eval:short_url_200()
body C404 eval:short_url_404()
body C500 eval:short_url_code('500')
""" + "".join("body %s eval:short_url_%s()\n" % (check.upper(), check) for check in CHECKS)
REDIR = """
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::Redirectors%s
url_redirector brief.test .page.test
url_redirector_get get.test
body FOUND eval:redir_url()
body C200 eval:redir_url_code('200')
body C404 eval:redir_url_404()
body C500 eval:redir_url_code('500')
""" + "".join("body %s eval:redir_url_%s()\n" % (check.upper(), check) for check in CHECKS[1:])
COMMON = """
util_rb_tld test
uri TARGET m,^http://target\\.test/,
uri HOP m,^http://brief\\.test/hop,
uri REL m,^http://brief\\.test/rel/target,
use_bayes 0
required_score 90
clear_headers
report_safe 0
fold_headers 0
add_header all Rules _TESTS(,)_
"""
HOPS = {
    "/go": (302, "http://target.test/x"), "/once": (301, "http://target.test/y"), "/here": (302, "http://brief.test/here"),
    "/chain": (302, "http://brief.test/hop1"), "/hop1": (302, "http://www.brief.test/hop2"), "/hop2": (302, "http://target.test/z"),
    "/round": (302, "http://brief.test/hop3"), "/hop3": (302, "http://brief.test/hop4"), "/hop4": (302, "http://brief.test/hop3"),
    "/rel": (302, "/rel/target"), "/none": (404, None), "/page": (200, None), "/nowhere": (302, None), "/gone": (410, None),
    "/inner": (302, "http://127.0.0.1/secret"),
}
HOPS.update({"/long%d" % i: (302, "http://brief.test/long%d" % (i + 1)) for i in range(20)})


class Web(http.server.ThreadingHTTPServer):
    """A web server, and a proxy to one: the path alone decides."""
    daemon_threads, request_queue_size = True, 128

    def __init__(self, address, port=0):
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.asked, self.delay, self.now, self.most, self.lock = [], 0, 0, 0, threading.Lock()  # most at once
        super().__init__((address, port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        path = re.sub(r"^http://[^/]*", "", self.path)
        self.server.asked.append((self.command, self.headers.get("Host"), path, self.headers.get("User-Agent")))
        with self.server.lock:
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        time.sleep(self.server.delay)
        with self.server.lock:
            self.server.now -= 1
        code, location = HOPS.get(path.split("?")[0], (404, None))
        self.send_response(code)
        if location:
            self.send_header("Location", location)
        body = b"" if self.command == "HEAD" else b"x" * 100000
        self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    do_HEAD = do_GET = answer

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # who asked knows enough


def mail_of(*urls):
    return ("Received: from h.example.net (h.example.net [192.0.2.1]) by mx.example.org; Mon, 1 Jan 2024 00:00:00 +0000\n"
            "From: a@example.net\nTo: b@example.org\nSubject: x\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <m@x>\n\n" +
            "".join("%s\n" % url for url in urls)).encode()


def site(name, text):
    directory = tests.path(name)
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "local.cf"), "w") as f:
        f.write(text)
    return directory


def scan(program, rules, message, options=(), **env):
    """(names of rules, what it said)"""
    empty = site("empty", "\n")
    done = subprocess.run([program, "-x", "-C", empty, "--siteconfigpath", site("site", rules)] + list(options), input=message,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100, env=dict(os.environ, **env))
    found = re.search(rb"^X-Spam-Rules: (.*)$", done.stdout, re.M)
    assert found, (done.stdout[:500], done.stderr[-2000:])
    return set(found.group(1).decode().split(",")) - {"none"}, done.stderr.decode("utf-8", "replace")


def need_module():
    if not os.path.exists(MODULE):
        raise Skip("built without libcurl")


PROXIED = {
    "a redirection": ("http://brief.test/go", "FOUND REDIR TARGET", None),
    "a query is not asked": ("http://brief.test/go?a=b", "FOUND REDIR TARGET", None),
    "by GET": ("http://get.test/go", "FOUND REDIR TARGET", None),
    "below a listed name": ("http://any.page.test/go", "FOUND REDIR TARGET", None),
    "www of a listed name": ("http://www.brief.test/go", "FOUND REDIR TARGET", None),
    "two levels below it": ("http://a.b.brief.test/go", "", None),
    "a chain": ("http://brief.test/chain", "CHAINED FOUND HOP REDIR TARGET", None),
    "a circle": ("http://brief.test/round", "CHAINED FOUND HOP LOOP REDIR", None),
    "to itself": ("http://brief.test/here", "FOUND", "FOUND LOOP"),
    "a relative one": ("http://brief.test/rel", "C404 FOUND REDIR REL", None),
    "too many": ("http://brief.test/long0", "CHAINED FOUND MAXCHAIN REDIR", None),
    "not found": ("http://brief.test/none", "C404 FOUND", None),
    "no redirection": ("http://brief.test/page", "C200 FOUND", None),
    "two in one message": ("http://brief.test/page http://brief.test/go", "C200 FOUND REDIR TARGET", None),
    "no path": ("http://brief.test/", "", "C404 FOUND"),
    "nothing listed": ("http://other.test/go", "", None),
    "another's query": ("http://other.test/click?url=http://brief.test/go", "", "FOUND TARGET"),
    "another's path": ("http://other.test/amp/http://brief.test/go", "", "FOUND TARGET"),
}


def add(what, urls, wanted, redirectors):
    @tests.case("through a proxy: " + what)
    def proxied():
        need_module()
        web = Web("127.0.0.1")
        proxy = "http://127.0.0.1:%d" % web.server_port
        message = mail_of(*urls.split())
        kinds = [("DecodeShortURLs", SHORT, set(wanted.split()), True),
                 ("Redirectors", REDIR % "", set((wanted if redirectors is None else redirectors).split()) - {"REDIR"}, REDIRECTORS)]
        if what == "a query is not asked":
            kinds.pop()
        for name, rules, expected, reference in kinds:
            found, said = scan(OURS, rules + COMMON, message, http_proxy=proxy)
            assert found == expected, (name, found, expected, said)
            if reference and os.access(REFERENCE, os.X_OK) and has_lwp():
                rules = rules.replace("Redirectors\n", "Redirectors %s\n" % REDIRECTORS)
                found, said = scan(REFERENCE, rules + COMMON, message, http_proxy=proxy)
                assert found == expected, (name + " of SpamAssassin", found, expected, said)


def has_lwp():
    return subprocess.run(["perl", "-MLWP::UserAgent", "-MLWP::Protocol::https", "-e1"], stderr=subprocess.DEVNULL).returncode == 0


for what, (urls, wanted, redirectors) in PROXIED.items():
    add(what, urls, wanted, redirectors)


@tests.case("methods, user agent, each link once, ten at most")
def requests():
    need_module()
    web = Web("127.0.0.1")
    proxy = "http://127.0.0.1:%d" % web.server_port
    scan(OURS, SHORT + COMMON + "url_shortener_user_agent Tester/1\n",
         mail_of("http://brief.test/go http://get.test/go http://brief.test/go http://brief.test/go#a"), http_proxy=proxy)
    assert sorted(web.asked) == [("GET", "get.test", "/go", "Tester/1"), ("HEAD", "brief.test", "/go", "Tester/1")], web.asked
    del web.asked[:]
    scan(OURS, SHORT + COMMON, mail_of(*("http://brief.test/n%d" % i for i in range(30))), http_proxy=proxy)
    assert len(web.asked) == 10, web.asked
    found, _ = scan(OURS, SHORT + COMMON + "max_short_urls 0\n", mail_of("http://brief.test/go"), http_proxy=proxy)
    assert found == {"FOUND"} and len(web.asked) == 10, (found, web.asked)


@tests.case("without the module, and with -L: links are found, none is asked, the message is scored")
def without():
    found, said = scan(OURS, SHORT + COMMON, mail_of("http://brief.test/go"), WINNOW_MODULES="/nonexistent")
    assert found == {"FOUND"} and "/nonexistent/http-curl.so" in said and "no URL is asked" in said, (found, said)
    found, said = scan(OURS, SHORT + COMMON, mail_of("http://brief.test/go"), ["-L"])
    assert found == {"FOUND"} and not said, (found, said)


@tests.case("the cache: a file or a table; asked once; what is bad about it is said")
def cache():
    need_module()
    web = Web("127.0.0.1")
    proxy = "http://127.0.0.1:%d" % web.server_port
    urls = mail_of("http://brief.test/go http://brief.test/none")
    kinds = [("url_shortener", SHORT, "short_url_cache", "short_url", "decoded_url", {"C404", "FOUND", "REDIR", "TARGET"}),
             ("url_redirector", REDIR % "", "redir_url_cache", "redir_url", "target_url", {"C404", "FOUND", "TARGET"})]
    for prefix, rules, table, key, value, wanted in kinds:
        stores = [("lmdb", tests.path(prefix + ".lmdb"))]
        if os.path.exists(os.path.join(BUILD, "lib", "store", "sql-sqlite.so")):
            stores.append(("dbi", "dbi:SQLite:dbname=" + tests.path(prefix + ".sqlite")))
        modules = tests.path("modules")
        os.makedirs(modules, exist_ok=True)
        for path in (MODULE, os.path.join(BUILD, "lib", "store", "sql-sqlite.so")):
            if os.path.exists(path) and not os.path.exists(os.path.join(modules, os.path.basename(path))):
                os.symlink(path, os.path.join(modules, os.path.basename(path)))
        for kind, dsn in stores:
            text = rules + COMMON + "%s_cache_type %s\n%s_cache_dsn %s\n" % (prefix, kind, prefix, dsn)
            for _ in range(3):
                found, said = scan(OURS, text, urls, http_proxy=proxy, WINNOW_MODULES=modules)
                assert found == wanted and not said, (kind, found, said)
            assert len(web.asked) == 2, (kind, web.asked)
            found, said = scan(OURS, text + "%s_cache_ttl -5\n%s_cache_autoclean 1\n" % (prefix, prefix), urls, http_proxy=proxy,
                               WINNOW_MODULES=modules)
            assert found == wanted and len(web.asked) == 4, (kind, found, web.asked)
            del web.asked[:]
            if kind == "dbi":
                with sqlite3.connect(tests.path(prefix + ".sqlite")) as db:
                    assert db.execute("SELECT COUNT(*) FROM " + table).fetchall() == [(0,)]
                scan(OURS, text, urls, http_proxy=proxy, WINNOW_MODULES=modules)
                with sqlite3.connect(tests.path(prefix + ".sqlite")) as db:
                    rows = db.execute("SELECT %s, %s FROM %s ORDER BY 1" % (key, value, table)).fetchall()
                assert rows == [("http://brief.test/go", "http://target.test/x"), ("http://brief.test/none", "404")], rows
                del web.asked[:]
    for text, words in (("url_shortener_cache_type redis\nurl_shortener_cache_dsn x\n", "lmdb, or dbi"),
                        ("url_shortener_cache_type lmdb\n", "no DSN"),
                        ("url_shortener_cache_type lmdb\nurl_shortener_cache_dsn urls\n", "full path")):
        found, said = scan(OURS, SHORT + COMMON + text, mail_of("http://brief.test/go"), http_proxy=proxy)
        assert "REDIR" in found and words in said, (found, said)
    text = SHORT + COMMON + "url_shortener_cache_type lmdb\nurl_shortener_cache_dsn /proc/none/urls\n"
    found, said = scan(OURS, text, mail_of("http://brief.test/go"), http_proxy=proxy)
    assert "REDIR" in found and "going on without" in said, (found, said)


# ---- without a proxy ----

def public_address(address):
    subprocess.run(["ip", "addr", "add", address + ("/128" if ":" in address else "/32"), "dev", "lo"] +
                   (["nodad"] if ":" in address else []), check=True, stderr=subprocess.DEVNULL)


def direct(name, zone, rules, message, **more):
    dns = FakeDns(zone=zone)
    return scan(OURS, rules + COMMON + "dns_available yes\ndns_server %s\n" % dns.server, message, **more)


def v4(*addresses):
    return [socket.inet_aton(a) for a in addresses]


@tests.case("straight to the host: IPv4, IPv6, never a private address")
def straight():
    need_module()
    if not OWN_NETWORK:
        raise Skip("needs a network namespace (root)")
    for address in ("8.8.4.4", "2001:4860:4860::8844"):
        public_address(address)
    web, six, inner = Web("8.8.4.4", 80), Web("2001:4860:4860::8844", 80), Web("127.0.0.1", 80)
    zone = {("brief.test", A): v4("8.8.4.4")}
    found, said = direct("d", zone, SHORT, mail_of("http://brief.test/go"))
    assert found == {"FOUND", "REDIR", "TARGET"} and len(web.asked) == 1, (found, said)
    zone = {("brief.test", AAAA): [socket.inet_pton(socket.AF_INET6, "2001:4860:4860::8844")], ("brief.test", A): v4("127.0.0.1")}
    found, said = direct("d", zone, SHORT, mail_of("http://brief.test/go"))
    assert found == {"FOUND", "REDIR", "TARGET"} and len(six.asked) == 1, (found, said)
    for bad in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "0.0.0.0", "100.64.0.1"):
        found, said = direct("d", {("brief.test", A): v4(bad)}, SHORT, mail_of("http://brief.test/go"))
        assert found == {"C500", "FOUND"}, (bad, found, said)
    for bad in ("::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"):
        zone = {("brief.test", AAAA): [socket.inet_pton(socket.AF_INET6, bad)]}
        found, said = direct("d", zone, SHORT, mail_of("http://brief.test/go"))
        assert found == {"C500", "FOUND"}, (bad, found, said)
    for url in ("127.0.0.1/go", "2130706433/go", "0x7f.1/go", "localhost/go", "[::1]/go", "a@127.0.0.1/go", "8.8.4.4:25/go", "127.1/go"):
        found, said = direct("d", {}, REDIR % "", mail_of("http://other.test/?url=http://" + url))
        assert found <= {"C500", "FOUND"}, (url, found, said)
    assert not inner.asked, inner.asked
    found, said = direct("d", {("brief.test", A): v4("127.0.0.1")}, SHORT + "url_shortener_allow_private 1\n",
                         mail_of("http://brief.test/go"))
    assert found == {"FOUND", "REDIR", "TARGET"} and len(inner.asked) == 1, (found, said)
    found, said = direct("d", {}, SHORT, mail_of("http://brief.test/go"))
    assert found == {"C500", "FOUND"}, (found, said)


@tests.case("spamd, in its sandbox, answers others meanwhile; slow servers are waited for together, and not for ever")
def server():
    need_module()
    web = Web("127.0.0.1")
    rules = site("spamd.d", SHORT + COMMON + "url_shortener_timeout 10\n")
    path = tests.path("socket")
    spamd = tests.spamd([path], ["-m", "1", "--min-children", "1"], local=False, rules=rules,
                        env=dict(os.environ, http_proxy="http://127.0.0.1:%d" % web.server_port))
    spamd.wait_for(path)
    web.delay = 1.5
    answers = []

    def one(number):
        answers.append(ask(path, request("SYMBOLS", mail_of("http://brief.test/go", "http://brief.test/hop2?%d" % number))))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    until(lambda: web.now > 0)
    assert b"PONG" in ask(path, b"PING SPAMC/1.5\r\n\r\n") and not answers, answers
    for thread in threads:
        thread.join()
    assert len(answers) == 10 and all(b"TARGET" in a for a in answers), answers
    assert web.most >= 5, "one after the other: %d" % web.most
    web.delay = 30
    answer = ask(path, request("SYMBOLS", mail_of("http://brief.test/page")), timeout=60)
    assert b"C500" in answer and b"FOUND" in answer, answer
    assert "sandbox:" not in spamd.log().replace("sandbox: this system", ""), spamd.log()


tests.main()
