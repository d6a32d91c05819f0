#!/usr/bin/env python3
"""sa-update against a name server, a web server and a signed channel of its own; what goes wrong leaves everything as it
was.  With WINNOW_REFERENCE set, the installed reference is run against the same servers, and must end and install the
same (it takes some seconds each time)."""
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time

import harness
from update_parts import Keys, Names, Web, archive, entry, everything, have_gpg, tree

PROGRAM = os.path.join(harness.BUILD, "cmd", "sa-update")
SPAMASSASSIN = os.path.join(harness.BUILD, "cmd", "spamassassin")
REFERENCE = "/usr/bin/sa-update"
UNTAINTED = None
CHANNEL, NAME = "rules.example.com", "rules_example_com"
HOST = "::1" if "WINNOW_ONLY_IPV6" in os.environ else "127.0.0.1"
tests = harness.Tests()

if not have_gpg():
    print("1..0 # SKIP no gpg")
    sys.exit(0)


def has_reference():
    """Its copy without -T: Net::DNS does not take the port from a tainted environment."""
    global UNTAINTED
    if UNTAINTED is None:
        text = ""
        if "WINNOW_REFERENCE" in os.environ:
            with open(REFERENCE, encoding="latin-1") as f:
                text = f.read()
        UNTAINTED = tests.path("sa-update.pl") if "perl" in text[:80] else ""
        if UNTAINTED:
            with open(UNTAINTED, "w", encoding="latin-1") as f:
                f.write(text.replace(" -T", "", 1))
            os.chmod(UNTAINTED, 0o755)
    return UNTAINTED != ""


names, web = Names(HOST), Web(HOST)
key, other_key = Keys(tests.directory, "channel"), Keys(tests.directory, "stranger")
home = tests.path("keyring")


def rules(version, more=""):
    return {"10_first.cf": "body FIRST_%d /first rule/\nscore FIRST_%d 1.5\n%s" % (version, version, more),
            "20_second.cf": "body SECOND_%d /second rule/\n" % version, "first.pre": "# nothing\n",
            "languages": "data\n"}


def publish(version, files=None, channel=CHANNEL, packed=None, signer=key, path="/a", odd=()):
    packed = archive(files or rules(version), odd) if packed is None else packed
    names.records["1.0.4." + channel] = [str(version)]
    names.records["mirrors." + channel] = [web.url + "/MIRRORED.BY"]
    web.files["/MIRRORED.BY"] = ("# mirrors\n%s%s weight=5\n" % (web.url, path)).encode()
    base = "%s/%d.tar.gz" % (path, version)
    web.files[base] = packed
    web.files[base + ".asc"] = signer.sign(packed)
    web.files[base + ".sha512"] = ("%s  %d.tar.gz\n" % (hashlib.sha512(packed).hexdigest(), version)).encode()
    web.files[base + ".sha256"] = ("%s  %d.tar.gz\n" % (hashlib.sha256(packed).hexdigest(), version)).encode()


def run(directory, *options, program=PROGRAM, channel=CHANNEL, keys=True, env=None):
    command = [program, "--updatedir", directory, "--gpghomedir", home]
    command += ["--channel", channel] if channel else []
    command += ["--gpgkey", key.fingerprint] if keys else []
    environment = dict(os.environ, LC_ALL="C", **names.environment())
    environment.update(env or {})
    done = subprocess.run(command + list(options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                          timeout=120)
    text = (done.stdout + done.stderr).decode("latin-1")
    assert "Sanitizer" not in text, text
    return done.returncode, text


def without_empty_pre(seen):
    return {k: v for k, v in seen.items() if v or not k.endswith(".pre")}


def both(directory, *options, **named):
    """Ours in directory, the reference in directory.ref: the same exit status and files."""
    code, text = run(directory, *options, **named)
    if has_reference():
        their_code, their_text = run(directory + ".ref", *options, program=UNTAINTED, **named)
        # the reference ends with 1 + errno or 255 where it dies; that is not said anywhere
        assert code == their_code or (code == 255 and their_code > 4), (code, their_code, text, their_text)
        ours, theirs = tree(directory), tree(directory + ".ref")
        assert ours == theirs or (code not in (0, 3) and not any(x.endswith(".cf") for x in theirs)), \
            (sorted(ours), sorted(theirs), [k for k in ours if ours.get(k) != theirs.get(k)], text)
    return code, text


def fresh(name):
    return tests.path(name + "/4.000001")


def unchanged(directory, *options, says=None, code=4, theirs=False, **named):
    before, hidden = tree(directory), everything(directory)
    got, text = run(directory, *options, **named)
    assert got == code, (got, text)
    assert tree(directory) == before, text
    assert everything(directory) == hidden, (everything(directory), hidden)
    assert not os.path.exists(directory) or before or hidden, "an empty update directory"
    assert says is None or says in text, text
    if has_reference() and theirs:
        their_code, their_text = run(directory + ".ref", *options, program=UNTAINTED, **named)
        assert their_code == code, (code, their_code, text, their_text)
    return text


@tests.case("a key is imported; without it nothing is trusted")
def keyring():
    publish(1001)
    unchanged(fresh("untrusted"), says="GPG validation failed")
    code, text = run(fresh("untrusted"), "--import", key.public, channel=None, keys=False)
    assert code == 0, text
    assert os.stat(home).st_mode & 0o777 == 0o700
    assert run(fresh("untrusted"), "--import", tests.path("none"), channel=None, keys=False)[0] != 0
    unchanged(fresh("untrusted"), says="GPG validation failed", keys=False)


@tests.case("install, nothing new, checkonly, update")
def install():
    directory = fresh("first")
    publish(1001)
    assert both(directory, "--checkonly")[0] == 0
    assert not os.path.exists(directory)
    code, text = both(directory, "-v")
    assert code == 0 and "Update available for channel %s: -1 -> 1001" % CHANNEL in text, text
    assert "Update was available, and was downloaded and installed successfully" in text
    seen = tree(directory)
    assert seen[NAME + ".cf"] == (b"# UPDATE version 1001\ninclude %(n)s/10_first.cf\ninclude %(n)s/20_second.cf\n"
                                  % {b"n": NAME.encode()}), seen[NAME + ".cf"]
    assert seen[NAME + ".pre"] == b"include %s/first.pre\n" % NAME.encode()
    assert seen[NAME + "/languages"] == b"data\n" and (NAME + "/MIRRORED.BY") in seen
    done = subprocess.run([SPAMASSASSIN, "-L", "-t", "-C", directory, "--siteconfigpath", tests.path("nosite"), "--cf",
                           "add_header all Tests _TESTS_"], input=b"Subject: x\n\na first rule\n", stdout=subprocess.PIPE)
    assert b"FIRST_1001" in done.stdout, done.stdout
    code, text = both(directory, "-v")
    assert code == 1 and "Update finished, no fresh updates were available" in text, text
    assert both(directory, "--checkonly")[0] == 1
    publish(1002, {"10_first.cf": "body FIRST_1002 /x/\n", "new.cf": "body NEW /y/\n"})
    code, text = both(directory, "--checkonly", "-v")
    assert code == 0 and "Update was available, but not installed in checkonly mode" in text, text
    assert both(directory)[0] == 0
    seen = tree(directory)
    assert sorted(seen) == sorted([NAME + ".cf", NAME + "/10_first.cf", NAME + "/new.cf", NAME + "/MIRRORED.BY"]), seen
    assert len([x for x in everything(directory) if re.match(r"^\.[^/]*$", x)]) == 1, everything(directory)
    publish(1003)
    names.records["3.3.3." + CHANNEL], names.records["1.0.4." + CHANNEL] = ["1003"], "3.3.3." + CHANNEL
    assert both(directory)[0] == 0
    assert NAME + ".pre" in tree(directory)


@tests.case("what is wrong with an archive or its signature changes nothing")
def bad_archives():
    for directory in (fresh("bad"), fresh("first")):
        publish(2001, signer=other_key)
        unchanged(directory, says="not in the keyring", theirs=True)
        publish(2001)
        web.files["/a/2001.tar.gz.asc"] = key.sign(b"something else")
        unchanged(directory, says="GPG validation failed, channel failed", theirs=True)
        web.files["/a/2001.tar.gz.asc"] = b"no signature"
        unchanged(directory, says="GPG validation failed, channel failed")
        good = archive(rules(2001))
        for packed in (good[:len(good) // 2], good[:-4], good[:-1] + b"\1", good + b"rest", b"x", b"\x1f\x8b",
                       bytes(good[:40]) + b"\0\0" + bytes(good[42:])):
            publish(2001, packed=packed)
            unchanged(directory, says="archive extraction failed, channel failed")
        for name in ("../10_up.cf", "/etc/10_root.cf", "dir/10_sub.cf", "a b.cf", "10\n.cf", "..", "x" * 300 + ".cf",
                     ".channel.cf", "d/" * 80 + "x.cf"):
            publish(2001, dict(rules(2001), **{name: "body X /x/\n"}))
            unchanged(directory, says="channel failed")
        for odd in (entry("10_link.cf", tarfile.SYMTYPE, "/etc/passwd"), entry("10_hard.cf", tarfile.LNKTYPE, "languages"),
                    entry("null", tarfile.CHRTYPE), entry("pipe", tarfile.FIFOTYPE)):
            publish(2001, odd=[odd])
            unchanged(directory, says="archive extraction failed, channel failed")
        publish(2001, odd=[entry("languages", tarfile.REGTYPE)])
        unchanged(directory, says="two files named")
        publish(2001, dict(rules(2001), **{"big": b"\0" * (33 << 20)}))
        unchanged(directory, says="too large")
        publish(2001, rules(2001, "this is no rule\n"))
        unchanged(directory, says="lint check of update failed, channel failed", theirs=True)
        publish(2001, rules(2001, "body BROKEN /(/\n"))
        unchanged(directory, says="lint check of update failed, channel failed", theirs=True)
    assert os.listdir(os.path.dirname(fresh("first"))) in (["4.000001"], ["4.000001", "4.000001.ref"],
                                                           ["4.000001.ref", "4.000001"])


@tests.case("sums without gpg: sha512, sha256, none")
def sums():
    directory = fresh("sums")
    publish(1001)
    web.files["/a/1001.tar.gz.sha512"] = b"0" * 128 + b"  x\n"
    unchanged(directory, "--nogpg", theirs=True, says="SHA512 verification failed", keys=False)
    web.files["/a/1001.tar.gz.sha512"] = b"short"
    unchanged(directory, "--nogpg", theirs=True, says="SHA512 verification failed", keys=False)
    del web.files["/a/1001.tar.gz.sha512"]
    good = web.files["/a/1001.tar.gz.sha256"]
    web.files["/a/1001.tar.gz.sha256"] = good.replace(good[:1], b"g")
    unchanged(directory, "--nogpg", says="SHA256 verification failed", keys=False)
    del web.files["/a/1001.tar.gz.sha256"]
    unchanged(directory, "--nogpg", theirs=True, says="could not find working mirror", keys=False)
    web.files["/a/1001.tar.gz.sha256"] = good
    assert both(directory, "--nogpg", keys=False)[0] == 0
    publish(1002)
    assert both(directory, "--no-gpg", keys=False)[0] == 0


@tests.case("no names, no mirrors, no answer")
def mirrors():
    directory = fresh("mirrors")
    unchanged(directory, says="no 'mirrors.none.example.com' record found", channel="none.example.com")
    names.records["mirrors.later.example.com"] = [web.url + "/MIRRORED.BY"]
    unchanged(directory, code=1, channel="later.example.com")
    publish(1001)
    del names.records["mirrors." + CHANNEL]
    unchanged(directory, theirs=True, says="no mirror data available")
    publish(1001)
    web.files["/MIRRORED.BY"] = 500
    unchanged(directory, theirs=True, says="MIRRORED.BY file contents were missing")
    web.files["/MIRRORED.BY"] = b"# none\nftp://example.com/\n"
    unchanged(directory, theirs=True, says="no mirrors available")
    web.files["/MIRRORED.BY"] = ("%s/nothing\n" % web.url).encode()
    unchanged(directory, says="could not find working mirror")
    publish(1001)
    del web.files["/a/1001.tar.gz.asc"]
    unchanged(directory, says="could not find working mirror")
    publish(1001)
    dead = "http://%s:%d/x" % ("[::1]" if HOST == "::1" else HOST,
                               harness.free_port(socket.AF_INET6 if HOST == "::1" else socket.AF_INET, HOST))
    web.files["/MIRRORED.BY"] = ("%s weight=1000\n%s/a/ weight=1\n" % (dead, web.url)).encode()
    code, text = run(directory, "-D", "http,channel")
    assert code == 0 and "selected mirror " + dead in text, text
    publish(1002)
    del web.asked[:]
    assert run(directory)[0] == 0 and "/MIRRORED.BY" not in web.asked, web.asked
    publish(1003)
    assert run(directory, "--refreshmirrors")[0] == 0 and "/MIRRORED.BY" in web.asked
    publish(1004)
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(os.path.join(directory, NAME, "MIRRORED.BY"), (week_ago, week_ago))
    web.files["/MIRRORED.BY"] = 500
    code, text = run(directory)
    assert code == 0 and "unable to refresh mirrors file for channel" in text, text
    publish(1005, path="/forced")
    web.files["/MIRRORED.BY"] = (web.url + "/nothing\n").encode()
    assert run(directory, "--forcemirror", web.url + "/forced")[0] == 0
    assert b"version 1005\n" in tree(directory)[NAME + ".cf"]


@tests.case("several channels: some fail, all fail")
def channels():
    directory, listing = fresh("many"), tests.path("channels")
    publish(1001)
    publish(1001, {"other.cf": "body OTHER /x/\n"}, channel="other.example.com", path="/b")
    web.files["/MIRRORED.BY"] = ("%s/a\n" % web.url).encode()
    web.files["/other/MIRRORED.BY"] = ("%s/b\n" % web.url).encode()
    names.records["mirrors.other.example.com"] = [web.url + "/other/MIRRORED.BY"]
    with open(listing, "w") as f:
        f.write("  RULES.example.com # first\n\n# none\nno name!\nother.example.com\n")
    assert both(directory, "--channelfile", listing, channel=None)[0] == 0
    assert "other_example_com/other.cf" in tree(directory)
    publish(1002)
    web.files["/MIRRORED.BY"] = ("%s/a\n" % web.url).encode()
    assert both(directory, "--channel", "none.example.com")[0] == 3
    assert both(directory, "--channel", "none.example.com")[0] == 4
    assert both(directory, "--channel", "other.example.com")[0] == 1
    keys = tests.path("gpgkeys")
    with open(keys, "w") as f:
        f.write("# trusted\n%s\nnonsense\n" % key.fingerprint[-8:].lower())
    publish(1003)
    assert both(directory, "--gpgkeyfile", keys, keys=False)[0] == 0


@tests.case("--install FILE")
def install_file():
    directory, packed = fresh("file"), archive(rules(777))
    path = tests.path("rules-777.tar.gz")
    with open(path, "wb") as f:
        f.write(packed)
    unchanged(directory, "--install", path, code=255, says="cannot open " + path + ".asc")
    with open(path + ".asc", "wb") as f:
        f.write(key.sign(packed))
    assert both(directory, "--install", path)[0] == 0
    assert NAME + "/MIRRORED.BY" not in tree(directory)
    unchanged(directory, "--install", path, "--nogpg", keys=False, says="missing checksum files")
    with open(path + ".sha512", "w") as f:
        f.write(hashlib.sha512(packed).hexdigest())
    assert both(directory, "--install", path, "--nogpg", keys=False)[0] == 0
    inside = ["unshare", "-p", "-f"]  # the process is number 1 each time
    if os.geteuid() == 0 and subprocess.run(inside + ["true"], stderr=subprocess.DEVNULL).returncode == 0:
        for _ in range(3):
            done = subprocess.run(inside + [PROGRAM, "--updatedir", directory, "--nogpg", "--channel", CHANNEL, "--install", path])
            assert done.returncode == 0 and len(tree(directory)) == 6, sorted(tree(directory))
    unchanged(directory, "--install", path, "--channel", "two.example.com", code=255, says="multiple --channel")
    unchanged(directory, "--install", "x-12.tar.gz", code=255, says="3-digit version number")
    assert both(directory, "--install", path, "--checkonly")[0] == 0


@tests.case("files are changed as the reference changes them")
def rewriting():
    directory = fresh("rewrite")
    text = ("loadplugin Mail::SpamAssassin::Plugin::DKIM\n\n  \n   tryplugin  Mail::SpamAssassin::Plugin::SPF x\n"
            "# loadplugin x\nbody A /loadplugin x/\nreport @@VERSION@@ @@NONE@@ @@@@PREFIX@@ @@ @@CONTACT_ADDRESS@@ @a@@b@\n"
            "bayes_store_module Mail::SpamAssassin::BayesStore::SQL\n_module x\nuser_awl_factory x\nsome_modules\tx\n"
            "dcc_path /x\ndcc_home /x\npyzor_options x\nextracttext_external a b {}\ndns_server 127.0.0.1\n dns_servers x\n"
            "score A 1.5 -2 0 3\nscore A 0\n  SCORE A 10.25 # very\nscore A 0.0001\nscore A -0.0002 1\nscore A (1)\n"
            "score A x\nscore  A  4 5x\nscore A 2.000\n\n\nscore B 7\nloadplugin\nbody B /x/\nbody C /y/\nloadplugin")
    more = {"a.cf": text, "b.pre": text, "c.txt": text, "d.cf": "", "e.cf": "\n\n", "f.cf": "dns_server", "g.cf": "@@VERSION@"}
    site = "body A /x/\nbody B /x/\n"
    for number, options in enumerate([[], ["--allowplugins", "--reallyallowplugins"], ["--score-multiplier", "2"],
                                      ["--score-limit", "3"], ["--score-multiplier", "0.001", "--score-limit", "1.25"],
                                      ["--score-multiplier", "0"], ["--score-limit", "2.0"]]):
        # lines that lint does not like, so only in what is no configuration for either
        files = {"x%s" % k if k.endswith("txt") else k: v for k, v in more.items()}
        publish(3000 + number, files)
        code, text_out = run(directory, *options)
        assert code in (0, 4), text_out
    for number, options in enumerate([[], ["--score-multiplier", "2"], ["--score-limit", "3"],
                                      ["--score-multiplier", "0.001", "--score-limit", "1.25"], ["--score-limit", "2.0"]]):
        clean = (site + "report @@VERSION@@ @@NONE@@ @@@@PREFIX@@ @@ @@CONTACT_ADDRESS@@ @a@@b@\n"
                 "loadplugin Mail::SpamAssassin::Plugin::DKIM\n\n  \n   tryplugin  Mail::SpamAssassin::Plugin::SPF x\n"
                 "bayes_store_module Mail::SpamAssassin::BayesStore::SQL\n"
                 "dns_server 127.0.0.1\n# loadplugin x\nscore A 1.5 -2 0 3\n\nscore A 0\n  SCORE A 10.25 # very\nscore A 0.0001\n"
                 "score A -0.0002 1 1 1\nscore A 2.000\n\n\nscore B 7\nloadplugin\nbody B /x/\n")
        publish(3100 + number, {"a.cf": clean, "b.pre": "loadplugin x\n", "c.txt": clean, "d.cf": "\n\n", "e.cf": "# @@VERSION@"})
        code, text_out = both(directory, *options)
        assert code == 0, text_out


@tests.case("--allowplugins alone, bad options, help, version")
def options():
    assert run(fresh("o"), "--allowplugins")[0] == 2
    assert run(fresh("o"), "--no-such")[0] == 64
    assert run(fresh("o"), "--score-limit", "x")[0] == 255
    code, text = run(fresh("o"), "--help")
    assert code == 0 and "--refreshmirrors" in text
    assert run(fresh("o"), "--version") [0] == 0
    assert not os.path.exists(fresh("o"))


@tests.case("proxies, one family of addresses only")
def network():
    directory = fresh("network")
    publish(1001)
    wrong, right = ("-4", "-6") if HOST == "::1" else ("-6", "-4")
    unchanged(directory, wrong, says="MIRRORED.BY file contents were missing" if wrong == "-6" else "channel failed")
    assert run(directory, right)[0] == 0
    publish(1002)
    web.files["/MIRRORED.BY"] = b"http://mirror.invalid/a\n"
    names.records["mirrors." + CHANNEL] = ["http://mirror.invalid/MIRRORED.BY"]
    del web.asked[:]
    code, text = run(directory, "--refreshmirrors", env={"http_proxy": web.url})
    assert code == 0 and "http://mirror.invalid/a/1002.tar.gz" in web.asked, (text, web.asked)


@tests.case("from the reference's layout to ours and back")
def layouts():
    if not has_reference():
        raise harness.Skip("the reference is not installed")
    directory = fresh("layouts")
    for version, program in [(1001, UNTAINTED), (1002, PROGRAM), (1003, UNTAINTED), (1004, PROGRAM), (1005, PROGRAM)]:
        publish(version)
        code, text = run(directory, program=program)
        assert code == 0, text
        seen = tree(directory)
        assert b"version %d\n" % version in seen[NAME + ".cf"], seen[NAME + ".cf"]
        assert b"FIRST_%d" % version in seen[NAME + "/10_first.cf"]
        assert len(seen) == 7, sorted(seen)


def versions(directory):
    """Every number that the installed rules tell: one, or something is half installed."""
    seen = tree(directory)
    assert NAME + ".cf" in seen, sorted(seen)
    included = re.findall(rb"include (\S+)", seen[NAME + ".cf"] + seen.get(NAME + ".pre", b""))
    told = {re.search(rb"version (\d+)", seen[NAME + ".cf"]).group(1)}
    told |= {n for x in included for n in re.findall(rb"_(\d{4})\b", seen[x.decode()])}
    return told


@tests.case("killed at any moment: the old rules or the new ones")
def killed():
    directory = fresh("killed")
    many = lambda v: dict({"%03d.cf" % i: "body R%d_%d /x/\n" % (i, v) for i in range(150)}, **{"v.pre": "# _%d\n" % v})
    paths = []
    for version in (1001, 1002):
        packed = archive(many(version))
        paths.append(tests.path("k-%d.tar.gz" % version))
        with open(paths[-1], "wb") as f:
            f.write(packed)
        with open(paths[-1] + ".sha512", "w") as f:
            f.write(hashlib.sha512(packed).hexdigest())
    arguments = [PROGRAM, "--updatedir", directory, "--nogpg", "--channel", CHANNEL, "--install"]
    begun = time.monotonic()
    assert subprocess.run(arguments + [paths[0]]).returncode == 0
    took = time.monotonic() - begun
    ended = 0
    for turn in range(40):
        process = subprocess.Popen(arguments + [paths[(turn + 1) % 2]])
        time.sleep(took * (0.2 + 1.0 * turn / 40))
        process.send_signal(signal.SIGKILL)
        ended += process.wait() == -signal.SIGKILL
        assert len(versions(directory)) == 1, versions(directory)
    print("# ended in the middle: %d of 40" % ended)
    assert subprocess.run(arguments + [paths[0]]).returncode == 0
    assert versions(directory) == {b"1001"}
    assert len([x for x in everything(directory) if x.startswith(".") and "/" not in x]) == 1, everything(directory)


@tests.case("a directory that may not be written to, a full disk")
def not_writable():
    publish(1001)
    if os.geteuid() != 0:
        raise harness.Skip("root only")
    directory = "/proc/winnow/4.000001"
    code, text = run(directory)
    assert code == 4 and "cannot create" in text, (code, text)
    if not shutil.which("unshare"):
        return
    small = tests.path("small")
    os.makedirs(small)
    script = "mount -t tmpfs -o size=64k none %s && exec \"$@\"" % small
    publish(1001, dict(rules(1001), **{"noise": os.urandom(200000)}))
    environment = dict(os.environ, **names.environment())
    done = subprocess.run(["unshare", "-m", "sh", "-c", script + " ; :", "sh", "sh", "-c",
                           "\"$@\"; echo code=$?; ls -A %s" % small, "sh", PROGRAM, "--updatedir", small + "/4.000001",
                           "--gpghomedir", home, "--gpgkey", key.fingerprint, "--channel", CHANNEL],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    if b"code=" not in done.stdout:
        return
    assert done.stdout == b"code=4\n" and b"No space left" in done.stderr, (done.stdout, done.stderr)


@tests.case("a host with IPv6 only")
def only_ipv6():
    if HOST == "::1":
        return
    namespace = ["unshare", "-n", "sh", "-c", "ip link set lo up && ip addr del 127.0.0.1/8 dev lo && exec \"$@\"", "sh"]
    if os.geteuid() != 0 or not shutil.which("ip") or subprocess.run(
            namespace + ["true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
        raise harness.Skip("no network namespace")
    done = subprocess.run(namespace + [sys.executable, os.path.abspath(__file__)], stdout=subprocess.PIPE,
                          env=dict(os.environ, WINNOW_ONLY_IPV6="yes"))
    print("".join("#   %s\n" % line for line in done.stdout.decode().splitlines() if not line.startswith("ok")), end="")
    assert done.returncode == 0


if HOST == "::1":
    tests.cases = [c for c in tests.cases if c[1] in (keyring, install, mirrors, network)]
try:
    tests.main()
finally:
    key.end()
    other_key.end()
