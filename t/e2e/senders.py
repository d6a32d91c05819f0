#!/usr/bin/env python3
"""Lists of senders: AWL, TxRep, sa-awl, spamassassin -W, -R, --add-addr-to-...; the reference's old files; killed writers, a
full disk, damaged files; spamd in its sandbox."""
import os
import random
import re
import shutil
import subprocess
import sys
import time

from fakedns import A, TXT, FakeDns, txt
from harness import BUILD, HERE, SOURCE, Skip, Tests, ask, free_port, own_mounts, request

HAS_MOUNTS = own_mounts(sys.argv[0])
tests = Tests()
COMMAND, AWL, LEARN = (os.path.join(BUILD, "cmd", p) for p in ("spamassassin", "sa-awl", "sa-learn"))
RULES = os.path.join(HERE, "rules")
OLD_FILE = os.path.join(SOURCE, "t", "fuzz", "corpus", "bdb", "addresses")  # by Perl's DB_File, 40 senders and a long one
TAGS = ("AWL", "AWLMEAN", "AWLCOUNT", "AWLPRESCORE")
CONFIG = """header POINTS Subject =~ /points/
score POINTS 3
header MANY Subject =~ /many/
score MANY 7
header NOT_HERE Subject =~ /not here/
tflags NOT_HERE noawl
header HIDDEN Subject =~ /hidden/
score HIDDEN 5
tflags HIDDEN noautolearn
clear_headers
report_safe 0
fold_headers 0
util_rb_tld com net org
"""
PLUGINS = {
    "awl": ("AWL", "header AWL eval:check_from_in_auto_welcomelist()\ntflags AWL userconf noautolearn\npriority AWL 1000\n"
            "add_header all Out score=_SCORE_ " + " ".join("%s=_%s_" % (t, t) for t in TAGS)),
    "txrep": ("TxRep", "use_txrep 1\nheader TXREP eval:check_senders_reputation()\ntflags TXREP userconf noautolearn\n"
              "priority TXREP 1000\nadd_header all Out score=_SCORE_ ip=_TXREPIP_ email=_TXREPEMAILIP_ "
              "count=_TXREPEMAILIPCOUNT_ id=_TXREPMSGID_ helo=_TXREPHELO_"),
}
SITES = {}
for name, (plugin, lines) in PLUGINS.items():
    SITES[name] = tests.path("site-" + name)
    os.mkdir(SITES[name])
    with open(os.path.join(SITES[name], "v.pre"), "w") as f:
        f.write("loadplugin Mail::SpamAssassin::Plugin::%s\nloadplugin Mail::SpamAssassin::Plugin::Bayes\n" % plugin)
    with open(os.path.join(SITES[name], "local.cf"), "w") as f:
        f.write(CONFIG + lines + "\n")


def directory(name):
    path = tests.path(name)
    os.mkdir(path)
    os.chmod(path, 0o777)
    return path


def message(subject="nothing", sender="a@example.com", ip="192.0.2.1", number=0, to="b@example.org", more=""):
    return ("Received: from mx.example.net (mx.example.net [%s]) by mail.example.org with ESMTP id x; "
            "Mon, 1 Dec 2003 10:00:00 +0000\n%sFrom: %s\nTo: %s\nSubject: %s\nDate: Mon, 1 Dec 2003 10:%02d:00 +0000\n\n"
            "text %d\n" % (ip, more, sender, to, subject, number % 60, number)).encode()


def run(site, path, arguments=(), text=b"", program=COMMAND):
    p = subprocess.run([program, "-C", RULES, "--siteconfigpath", SITES[site], "-p", "/dev/null", "-L",
                        "--cf", "auto_welcomelist_path " + path] + list(arguments), input=text, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=120)
    return p.returncode, p.stdout.decode("latin-1"), p.stderr.decode("latin-1").replace(
        "config: default user preference file /dev/null is not a regular file", "")


def scan(site, path, text, *cf):
    """What the header Out says, and the warnings."""
    options = [x for line in cf for x in ("--cf", line)]
    code, out, err = run(site, path, options, text)
    assert code == 0, (code, err)
    line = re.search(r"^X-Spam-Out: (.*)$", out, re.M).group(1)
    return dict(word.split("=") for word in line.split(" ")), "".join(
        x + "\n" for x in err.splitlines() if x.strip() and not x.rstrip().endswith("warn:"))


def listing(path, *options):
    p = subprocess.run([AWL] + list(options) + [path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert p.returncode == 0, (p.returncode, p.stderr)
    found = {}
    for line in p.stdout.decode("latin-1").splitlines():
        mean, total, count, key = re.match(r"^.*?\s*(-?[\d.]+)\s+\((-?[\d.]+)/(\d+)\)  --  (.*)$", line).groups()
        found[key] = (float(total), int(count))
    return found


# ---- AWL ----

@tests.case("AWL: half way to the mean of what the sender had; tags; the score that others gave is remembered")
def _():
    path = os.path.join(directory("awl"), "list")
    assert scan("awl", path, message("points"))[0] == {"score": "3.0", "AWL": "", "AWLMEAN": "", "AWLCOUNT": "",
                                                       "AWLPRESCORE": ""}
    got, err = scan("awl", path, message("many"))
    assert got == {"score": "5.0", "AWL": "-2.0", "AWLMEAN": "3.0", "AWLCOUNT": "1.0", "AWLPRESCORE": "7.0"}, got
    assert err == "", err
    got, _err = scan("awl", path, message("nothing"), "auto_welcomelist_factor 0.3")
    assert got["score"] == "1.5" and got["AWLMEAN"] == "5.0" and got["AWLCOUNT"] == "2.0", got
    assert listing(path) == {"a@example.com|ip=192.0": (10.0, 3)}


@tests.case("AWL: rules with noautolearn do not count, one with noawl ends it; -t counts, as in the reference")
def _():
    path = os.path.join(directory("flags"), "list")
    scan("awl", path, message("points hidden"))
    assert listing(path) == {"a@example.com|ip=192.0": (3.0, 1)}
    assert scan("awl", path, message("many, not here"))[0]["AWL"] == ""
    assert scan("awl", path, message("many"), "use_auto_welcomelist 0")[0]["score"] == "7.0"
    assert listing(path) == {"a@example.com|ip=192.0": (3.0, 1)}
    # The reference sets use_auto_welcomelist to 0 for -t, and then reads the configuration.
    code, out, _err = run("awl", path, ["-t"], message("many"))
    assert code == 0 and "score=5.0 AWL=-2.0 " in out, out
    assert listing(path) == {"a@example.com|ip=192.0": (10.0, 2)}


@tests.case("AWL: networks of IPv4 and IPv6 addresses, as long as the masks say; addresses in lower case")
def _():
    path = os.path.join(directory("masks"), "list")
    v4 = {None: "192.0", "8": "192", "24": "192.0.2", "32": "192.0.2.130", "25": "192.0.2.128", "0": "0"}
    for bits, key in v4.items():
        scan("awl", path, message(ip="192.0.2.130"), *["auto_welcomelist_ipv4_mask_len " + bits] if bits else [])
    v6 = {None: "2A01:04F8:0123::", "64": "2A01:04F8:0123:4567::", "128": "2A01:04F8:0123:4567:0000:0000:0000:0001",
          "0": "0000::", "33": "2A01:04F8::"}
    for bits, key in v6.items():
        scan("awl", path, message(sender="A@Example.COM", ip="IPv6:2a01:4f8:123:4567::1"),
             *["auto_welcomelist_ipv6_mask_len " + bits] if bits else [])
    scan("awl", path, message(sender="x!y@example.com", ip="10.0.0.1"))
    want = {"a@example.com|ip=" + key for key in list(v4.values()) + list(v6.values())} | {"x_y@example.com|ip=none"}
    assert set(listing(path)) == want, set(listing(path)) ^ want
    code, _out, err = run("awl", path, ["--lint", "--cf", "auto_welcomelist_ipv6_mask_len 129"])
    assert code == 1 and "auto_welcomelist_ipv6_mask_len" in err, err


# ---- commands ----

@tests.case("--add-addr-to-welcomelist, --add-addr-to-blocklist, --remove-addr-from-welcomelist")
def _():
    path = os.path.join(directory("commands"), "list")
    scan("awl", path, message())
    code, out, err = run("awl", path, ["--add-addr-to-welcomelist", "A@example.com"])
    assert (code, out) == (0, "SpamAssassin auto-welcomelist: adding address to welcomelist: A@example.com\n"), (out, err)
    assert listing(path) == {"a@example.com|ip=none": (-100.0, 1)}
    got = scan("awl", path, message("many"))[0]
    assert got["AWLMEAN"] == "-100.0" and got["score"] == "-46.5", got
    assert listing(path) == {"a@example.com|ip=192.0": (-93.0, 2)}
    code, out, err = run("awl", path, ["--add-addr-to-blacklist=a@example.com"])
    assert (code, out) == (0, "SpamAssassin auto-welcomelist: adding address to blocklist: a@example.com\n"), (out, err)
    code, out, err = run("awl", path, ["--remove-addr-from-whitelist=a@example.com"])
    assert (code, out) == (0, "SpamAssassin auto-welcomelist: removing address: a@example.com\n"), (out, err)
    assert listing(path) == {}
    code, out, _err = run("awl", path, ["--add-addr-to-welcomelist", "a@example.com", "--cf", "use_auto_welcomelist 0"])
    assert (code, out, listing(path)) == (0, "", {})


@tests.case("-W, -R and --add-to-blocklist: addresses of header and text")
def _():
    path, text = os.path.join(directory("mail"), "list"), message(more="Cc: \"C\" <c@example.net>, d@example.net\n")
    text += b"write to mailto:e@example.org, or f@example.org. g@localhost, h@example.invalid9\n"
    code, out, _err = run("awl", path, ["-W"], text)
    names = ["b@example.org", "a@example.com", "c@example.net", "d@example.net", "e@example.org", "f@example.org"]
    assert code == 0 and out.splitlines() == [
        "SpamAssassin auto-welcomelist: adding address to welcomelist: " + n for n in names] + ["1 message(s) examined."], out
    assert listing(path) == {n + "|ip=none": (-100.0, 1) for n in names}
    code, out, _err = run("awl", path, ["-R"], text)
    assert code == 0 and out.count("removing address: ") == 6 and listing(path) == {}, out
    code, out, _err = run("awl", path, ["--add-to-blocklist"], text)
    assert code == 0 and "to blocklist: a@example.com\n1 message(s) examined.\n" in out, out
    assert listing(path) == {"a@example.com|ip=none": (100.0, 1)}


# ---- sa-awl ----

def sa_awl(*arguments):
    p = subprocess.run([AWL] + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return p.returncode, p.stdout.decode("latin-1"), p.stderr.decode("latin-1")


@tests.case("sa-awl: prints, pretends, cleans; wrong options and missing files")
def _():
    path = os.path.join(directory("clean"), "list")
    for number in range(3):
        scan("awl", path, message("points", "often@example.com", number=number))
    scan("awl", path, message("points", "once@example.com"))
    run("awl", path, ["--add-addr-to-welcomelist", "often@example.org"])
    scan("awl", path, message("points", "often@example.org"))
    assert sa_awl(path)[1].splitlines()[0] == "     3.0         (9.0/3)  --  often@example.com|ip=192.0"
    code, out, _err = sa_awl("--clean", "--dry-run", path)
    assert code == 0 and out == "cleaning [dry-run]:      3.0         (3.0/1)  --  once@example.com|ip=192.0\n", out
    assert len(listing(path)) == 3
    assert sa_awl("-clean", path) == (0, "cleaning:      3.0         (3.0/1)  --  once@example.com|ip=192.0\n", "")
    assert set(listing(path)) == {"often@example.com|ip=192.0", "often@example.org|ip=192.0"}
    assert sa_awl("--cl", "--min=4", path)[0] == 0 and listing(path) == {}
    assert sa_awl("/nonexistent/list") == (2, "", "Cannot open file /nonexistent/list: No such file or directory\n")
    for wrong in ("--help", "--what"):
        code, out, err = sa_awl(wrong)
        assert code == 255 and out == "" and "usage: sa-awl" in err


@tests.case("sa-awl --clean removes the plain entry of an address alone")
def _():
    path = os.path.join(directory("plain"), "list")
    for number in range(3):
        scan("txrep", path, message("points", number=number))
    run("awl", path, ["--add-addr-to-welcomelist", "z@example.com"])
    before = listing(path)
    assert before["z@example.com|ip=none"] == (-100.0, 1) and before["a@example.com|ip=none"][1] == 3
    assert sa_awl("--clean", "--min", "3", path)[0] == 0
    assert listing(path) == {k: v for k, v in before.items() if v[1] >= 3}


@tests.case("the reference's old file: read as it is, taken over when a new list begins, added by --import")
def _():
    place = directory("old")
    path = os.path.join(place, "list")
    shutil.copy(OLD_FILE, path)
    old = listing(path)
    assert len(old) == 41 and old["user7@example.com|ip=192.7"] == (10.5, 7) and sorted(os.listdir(place)) == ["list"]
    got, err = scan("awl", path, message(sender="user7@example.com", ip="192.7.0.1"))
    assert got["AWLMEAN"] == "1.5" and got["AWLCOUNT"] == "7.0", got
    assert err == "", err
    with open(path, "rb") as a, open(OLD_FILE, "rb") as b:
        assert a.read() == b.read()
    want = dict(old, **{"user7@example.com|ip=192.7": (10.5, 8)})
    assert listing(path) == want and len("x" * 5000 + "@example.org|ip=none") in map(len, want)
    assert scan("awl", path, message())[1] == ""
    new = os.path.join(place, "new")
    assert sa_awl("--import", OLD_FILE, new) == (0, "41 entries of %s added\n" % OLD_FILE, "")
    assert listing(new) == old
    assert sa_awl("--import", OLD_FILE, new)[0] == 0
    assert listing(new) == {k: (2 * t, 2 * n) for k, (t, n) in old.items()}
    code, _out, err = sa_awl("--import", COMMAND, new)
    assert code == 255 and "no Berkeley DB hash file" in err and len(listing(new)) == 41, err


# ---- TxRep ----

@tests.case("TxRep: identities, a message seen before, masks, weights")
def _():
    path = os.path.join(directory("txrep"), "list")
    first = message("many", ip="192.0.2.1")
    assert scan("txrep", path, first)[0]["score"] == "7.0"
    keys = set(listing(path))
    assert {"a@example.com|ip=192.0", "example.com|ip=192.0", "mx.example.net|ip=none", "a@example.com|ip=none",
            "192.0.2.1|ip=none"} < keys and len(keys) == 6, keys
    again, _err = scan("txrep", path, first)
    assert again["score"] == "7.0" and again["id"] == "7.0", again
    assert all(count == 1 for _total, count in listing(path).values())
    got, _err = scan("txrep", path, message("points", number=1))
    assert got["count"] == "1.0" and got["email"] == "2.0" and got["score"] == "4.0", got
    got, _err = scan("txrep", path, message("points", number=2), "txrep_weight_email_ip 0", "txrep_weight_domain 0",
                     "txrep_weight_email 0", "txrep_weight_helo 0", "txrep_track_messages 0")
    assert got["email"] == "_TXREPEMAILIP_", got
    scan("txrep", path, message(ip="IPv6:2a01:4f8:123:4567::1", number=3), "txrep_ipv6_mask_len 64")
    assert {"a@example.com|ip=2A01:04F8:0123:4567::", "2a01:4f8:123:4567::1|ip=none"} <= set(listing(path))
    code, _out, err = run("txrep", path, ["--lint", "--cf", "txrep_factor 1.5"])
    assert code == 1 and "txrep_factor" in err, err


@tests.case("TxRep learns what sa-learn is told, forgets it, and not twice")
def _():
    place = directory("taught")
    path, text = os.path.join(place, "list"), os.path.join(place, "message")
    with open(text, "wb") as f:
        f.write(message("points"))

    def learn(*arguments):
        p = subprocess.run([LEARN, "-C", RULES, "--siteconfigpath", SITES["txrep"], "-p", "/dev/null", "-L", "--cf",
                            "auto_welcomelist_path " + path, "--dbpath", os.path.join(place, "bayes")] + list(arguments),
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        assert p.returncode == 0, p.stderr

    learn("--spam", text)
    assert listing(path)["a@example.com|ip=192.0"] == (20.0, 1)
    assert [v for k, v in listing(path).items() if k.endswith("@sa_generated|ip=none")] == [(40.0, 2)]
    got = scan("txrep", path, message(number=5))[0]
    assert got["count"] == "1.0" and float(got["score"]) > 4, got
    learn("--ham", text)
    total, count = listing(path)["a@example.com|ip=192.0"]
    assert total < 0 and count == 2, (total, count)
    learn("--forget", text)
    assert not [k for k in listing(path) if k.startswith("192.0.2.1@")]


@tests.case("TxRep: who writes from inside makes his recipients welcome")
def _():
    path = os.path.join(directory("outgoing"), "list")
    inside = ["trusted_networks 192.0.2.0/24", "internal_networks 192.0.2.0/24"]
    got, _err = scan("txrep", path, message(sender="me@example.org", to="friend@example.net"), *inside)
    assert listing(path)["friend@example.net|ip=WELCOMELIST_OUT"] == (-10.0, 1), listing(path)
    scan("txrep", path, message(sender="me@example.org", to="x@example.net", number=1), "txrep_welcomelist_out 0", *inside)
    assert "x@example.net|ip=WELCOMELIST_OUT" not in listing(path)


@tests.case("TxRep: --add-addr-to-... for addresses, domains, hosts; weights make up for the others")
def _():
    path = os.path.join(directory("weights"), "list")
    for word, key in (("A@example.com", "a@example.com"), ("example.net", "example.net"), ("198.51.100.7", "198.51.100.7"),
                      ("LAPTOP", "laptop"), ("b@example.com,spf", "b@example.com")):
        code, out, err = run("txrep", path, ["--add-addr-to-blocklist=" + word])
        assert code == 0 and out.startswith("SpamAssassin TxRep: blocklisting address: "), (out, err)
        assert listing(path)[key + "|ip=none"][0] >= 487.5, (key, listing(path))
    assert listing(path)["example.net|ip=none"] == (975.0, 1)
    run("txrep", path, ["--remove-addr-from-welcomelist=example.net"])
    assert "example.net|ip=none" not in listing(path)


@tests.case("TxRep does not run beside AWL, and says so")
def _():
    path = os.path.join(directory("both"), "list")
    code, out, err = run("txrep", path, ["--pre", "loadplugin Mail::SpamAssassin::Plugin::AWL"], message("points"))
    assert code == 0 and "cannot run when Auto-Welcomelist is enabled" in err, err
    assert "score=3.0" in out, out


# ---- the network ----

@tests.case("AWL and TxRep wait for DNS: lists, metas over them, SPF count; SPF stands for the host's address")
def _():
    dns = FakeDns(zone={("1.2.0.192.list.slow700.test", A): [b"\x7f\0\0\x02"],
                        ("pass.slow300.test", TXT): [txt("v=spf1 +all")]})
    pre = ["--pre", "loadplugin Mail::SpamAssassin::Plugin::DNSEval", "--pre", "loadplugin Mail::SpamAssassin::Plugin::SPF"]
    lines = ["dns_server " + dns.server, "dns_available yes", "header IN_LIST eval:check_rbl('list', 'list.slow700.test.')", "tflags IN_LIST net",
             "score IN_LIST 3", "meta OVER_LIST IN_LIST && POINTS", "score OVER_LIST 2", "meta AT_END AWL || TXREP",
             "score AT_END 0.5", "priority AT_END 2000", "header SPF_PASS eval:check_for_spf_pass()", "tflags SPF_PASS net nice", "score SPF_PASS -1"]
    text = b"Return-Path: <a@pass.slow300.test>\n" + message("points", "a@pass.slow300.test")
    for site, key in (("awl", "a@pass.slow300.test|ip=192.0"), ("txrep", "a@pass.slow300.test|ip=none")):
        path = os.path.join(directory("net-" + site), "list")
        p = subprocess.run([COMMAND, "-C", RULES, "--siteconfigpath", SITES[site], "-p", "/dev/null", "--cf",
                            "auto_welcomelist_path " + path] + pre + [x for line in lines for x in ("--cf", line)],
                           input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        out = p.stdout.decode("latin-1")
        assert "score=7.0 " in out, (out, p.stderr)
        assert listing(path)[key] == (7.0, 1), listing(path)
    assert "192.0.2.1|ip=none" in listing(path)


# ---- faults ----

@tests.case("F41 writers are killed at any moment: the list opens, every finished message is there")
def _():
    path, least = os.path.join(directory("killed"), "list"), 0
    for turn in range(25):
        victims = [subprocess.Popen([COMMAND, "-C", RULES, "--siteconfigpath", SITES["awl"], "-p", "/dev/null", "-L", "--cf",
                                     "auto_welcomelist_path " + path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL) for _ in range(3)]
        for victim in victims:
            victim.stdin.write(message("points"))
            victim.stdin.close()
        time.sleep(random.random() * 0.15)
        for victim in victims:
            victim.kill()
            victim.wait()
        got, err = scan("awl", path, message("points"))
        assert "damaged" not in err, err
        total, count = listing(path)["a@example.com|ip=192.0"]
        assert total == 3.0 * count and count > least, (total, count, least)
        least = count


@tests.case("F10 the disk is full: one line, mail is scored, what was there stays")
def _():
    if not HAS_MOUNTS:
        raise Skip("no mount namespace")
    place = directory("full")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place]).returncode != 0:
        raise Skip("no tmpfs")
    for site in ("awl", "txrep"):
        path = os.path.join(place, site)
        for number in range(20):
            scan(site, path, message("points", "s%d@example.com" % number, number=number))
        before = listing(path)
        with open(os.path.join(place, "fill"), "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        for number in range(100):
            got, err = scan(site, path, message("points", "t%d%s@example.com" % (number, "y" * 400), number=number))
            if err:
                break
        assert "No space left" in err and len(err.splitlines()) == 1, err
        assert float(got["score"]) > 0, got
        assert {k: v for k, v in listing(path).items() if k in before and "s1" in k} == {
            k: v for k, v in before.items() if "s1" in k}
        os.unlink(os.path.join(place, "fill"))
        assert scan(site, path, message("points", "u@example.com", number=58))[1] == ""
        assert "u@example.com|ip=192.0" in listing(path)


@tests.case("F41 the file is damaged, cut, empty or another's: one line, mail is scored without it, nothing is overwritten")
def _():
    for site in ("awl", "txrep"):
        path = os.path.join(directory("damaged-" + site), "list")
        for number in range(60):
            scan(site, path, message("points", "s%d@example.com" % number, number=number))
        with open(path, "rb") as f:
            good = f.read()
        damages = [good[:len(good) // 2 & ~4095], good[:100], b"x" * len(good), good[:8192] + os.urandom(len(good) - 8192),
                   b"somebody's notes, not a list of senders\n" * 3]
        for at in range(0, len(good), 4096):
            damages.append(good[:at] + bytes(b ^ 0x5a for b in good[at:at + 64]) + good[at + 64:])
        for damage in damages:
            with open(path, "wb") as f:
                f.write(damage)
            got, err = scan(site, path, message("many", "s1@example.com", number=99))
            assert len(err.splitlines()) <= 1, err
            if "is damaged" in err:
                assert got["score"] == "7.0", got
                with open(path, "rb") as f:
                    assert f.read() == damage
                assert sa_awl(path)[0] == 255
        with open(path, "wb"):
            pass
        assert scan(site, path, message("points", "s1@example.com"))[1] == "" and len(listing(path)) >= 1
        os.unlink(path)
        assert scan(site, path, message("points", "s1@example.com"))[1] == ""


@tests.case("F11 a place that cannot be written: one line, mail is scored")
def _():
    place = directory("blocked")
    with open(os.path.join(place, "file"), "w") as f:
        f.write("no directory")
    for site in ("awl", "txrep"):
        got, err = scan(site, os.path.join(place, "file", "list"), message("points"))
        assert got["score"] == "3.0" and len(err.splitlines()) == 1 and "Not a directory" in err, err


@tests.case("spamd scores by senders in its sandbox; many clients at once count right; a list that is replaced is seen")
def _():
    for site in ("awl", "txrep"):
        path, port = os.path.join(directory("served-" + site), "list"), free_port()
        server = tests.spamd(["127.0.0.1:%d" % port], ["--siteconfigpath", SITES[site], "--cf",
                                                       "auto_welcomelist_path " + path,
                                                       "--cf", "auto_welcomelist_file_mode 0777"])
        address = ("127.0.0.1", port)
        server.wait_for(address)
        rule = b"AWL" if site == "awl" else b"TXREP"
        assert rule not in ask(address, request("SYMBOLS", message("points")))
        assert rule in ask(address, request("SYMBOLS", message("many", number=1)))
        clients = [subprocess.Popen([os.path.join(BUILD, "spamc", "spamc"), "-d", "127.0.0.1", "-p", str(port), "-c"],
                                    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(30)]
        for number, client in enumerate(clients):
            client.stdin.write(message("points", "c@example.com", number=number + 2))
            client.stdin.close()
        for client in clients:
            assert client.wait() == 0
        assert listing(path)["c@example.com|ip=192.0"][1] == 30
        os.unlink(path)
        assert rule not in ask(address, request("SYMBOLS", message("points")))
        assert listing(path)["a@example.com|ip=192.0"][1] == 1
        assert server.stop() == 0
        assert "refused" not in server.log() and "failed" not in server.log(), server.log()


tests.main()
