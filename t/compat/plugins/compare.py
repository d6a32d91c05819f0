"""Runs messages through the installed reference and through our spamd with one small configuration and compares every
X-Spam- header.  Used by the tests beside it; skips (exit 77) where the reference is not installed."""
import base64, json, os, re, shutil, socket, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, '..', '..', '..'))
SPAMD = os.environ.get('WINNOW_SPAMD') or os.path.join(os.environ.get('top_builddir', os.path.join(TOP, 'build')), 'spamd', 'spamd')
HEAD = """use_bayes 0
report_safe 0
fold_headers 0
clear_headers
required_score 5
add_header all Score _SCORE_
add_header all Hits _TESTSSCORES(,)_
add_header all Sub _SUBTESTS(,)_
"""


def skip(why):
    print('1..0 # SKIP', why)
    sys.exit(77)


def need_reference(*modules):
    for module in ('Mail::SpamAssassin',) + modules:
        if subprocess.run(['perl', '-M' + module, '-e', '1'], stderr=subprocess.DEVNULL).returncode:
            skip('perl module %s is not installed' % module)
    if not os.path.exists(SPAMD):
        skip('%s is not built' % SPAMD)


def has_module(module):
    return subprocess.run(['perl', '-M' + module, '-e', '1'], stderr=subprocess.DEVNULL).returncode == 0


def headers_of(text):
    head = re.split(rb'\r?\n\r?\n', text, maxsplit=1)[0].replace(b'\r', b'')
    head = re.sub(rb'\n[ \t]+', b' ', head)
    out = {}
    for line in head.split(b'\n'):
        m = re.match(rb'X-Spam-(?!Checker)([\w-]+):\s?(.*)', line)
        if m:
            out.setdefault(m.group(1).decode(), m.group(2).decode('latin-1'))
    return out


class Case:
    def __init__(self, name, plugins, cf, messages, tags=()):
        self.name, self.plugins, self.cf, self.messages, self.tags = name, plugins, cf, messages, tags


def write_config(case, work):
    site, rules = os.path.join(work, 'site'), os.path.join(work, 'rules')
    os.makedirs(site), os.makedirs(rules)
    with open(os.path.join(site, 'init.pre'), 'w') as fh:
        for plugin in ('Check',) + tuple(case.plugins):
            fh.write('loadplugin Mail::SpamAssassin::Plugin::%s\n' % plugin)
    tld = '/var/lib/spamassassin/4.000001/updates_spamassassin_org/20_aux_tlds.cf'
    for path in (tld, '/usr/share/spamassassin/20_aux_tlds.cf'):
        if os.path.exists(path):
            shutil.copy(path, rules)
            break
    if os.path.exists('/usr/share/spamassassin/languages'):
        shutil.copy('/usr/share/spamassassin/languages', rules)
    with open(os.path.join(rules, '90_test.cf'), 'w') as fh:
        fh.write(HEAD + case.cf.replace('@WORK@', work))
        for tag in case.tags:
            fh.write('add_header all Tag-%s _%s_\n' % (tag.split('(')[0], tag))
    files = {}
    for name, text in case.messages.items():
        path = os.path.join(work, 'm-' + re.sub(r'\W', '_', name, flags=re.A)[:80] + '-%d' % len(files))
        with open(path, 'wb') as fh:
            fh.write(text)
        files[name] = path
    os.chmod(work, 0o755)
    return site, rules, files


def ask_reference(site, rules, files):
    done = subprocess.run(['perl', os.path.join(HERE, 'reference.pl'), site, rules] + list(files.values()),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if os.environ.get('VERBOSE'):
        sys.stderr.write(done.stderr.decode('latin-1'))
    by_path = {}
    for line in done.stdout.splitlines():
        line = line.lstrip()  # the reference's metas print to standard output when Shortcircuit is loaded
        if line.startswith(b'{'):
            row = json.loads(line)
            by_path[row['file']] = row['headers']
    return {name: by_path.get(path) for name, path in files.items()}


def process(path, message):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(60)
    s.connect(path)
    s.sendall(b'PROCESS SPAMC/1.5\r\nContent-length: %d\r\n\r\n' % len(message) + message)
    s.shutdown(socket.SHUT_WR)
    out = b''
    while True:
        data = s.recv(65536)
        if not data:
            return out
        out += data


def ask_ours(site, rules, files, work):
    path = os.path.join(work, 'sock')
    log = open(os.path.join(work, 'log'), 'wb')
    command = [SPAMD, '-L', '-x', '-m', '1', '--socketpath=' + path, '--socketmode=0666', '-C', rules,
               '--siteconfigpath=' + site, '-s', 'stderr']
    if os.geteuid() == 0:
        command += ['-u', 'nobody']
    server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                socket.socket(socket.AF_UNIX).connect(path)
                break
            except OSError:
                time.sleep(0.05)
        answers = {}
        for name, file in files.items():
            with open(file, 'rb') as fh:
                text = fh.read()
            try:
                head, _, body = process(path, text).partition(b'\r\n\r\n')
                answers[name] = headers_of(body) if b' 0 EX_OK' in head else None
            except OSError as error:
                answers[name] = None
                print('#', name, error)
    finally:
        server.terminate()
        server.wait()
    if os.environ.get('VERBOSE'):
        sys.stderr.write(open(os.path.join(work, 'log')).read())
    return answers


def mail(body, head='', ctype='text/plain; charset=us-ascii', subject='a test', sender='Ann <ann@example.com>'):
    if isinstance(body, str):
        body = body.encode('utf-8')
    return (('From: %s\nTo: bob@example.net\nSubject: %s\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n'
             'Message-Id: <1@example.com>\nMIME-Version: 1.0\n%sContent-Type: %s\n\n')
            % (sender, subject, head, ctype)).encode('utf-8') + body


def alternative(text, html, extra='', kind='alternative', textcs='utf-8'):
    return mail('--b\nContent-Type: text/plain; charset=%s\n\n%s\n--b\nContent-Type: text/html; charset=utf-8\n\n%s\n%s--b--\n'
                % (textcs, text, html, extra), ctype='multipart/%s; boundary=b' % kind)


def grid(name, kind, function, rows):
    return ''.join('%s %s_%d eval:%s(%s)\n' % (kind, name, i, function, row) for i, row in enumerate(rows))


def attach(name, ctype, data, cte='base64', disposition=''):
    if cte == 'base64':
        data = base64.encodebytes(data).decode()
    head = 'Content-Type: %s%s\n' % (ctype, '; name="%s"' % name if name else '')
    return mail('--b\nContent-Type: text/plain\n\nhello\n--b\n%sContent-Transfer-Encoding: %s\n%s\n%s\n--b--\n'
                % (head, cte, disposition, data), ctype='multipart/mixed; boundary=b')


def normal(headers):
    """What the reference lists in hash order is sorted."""
    if headers is None:
        return None
    out = dict(headers)
    if 'Tag-REPORT' in out:
        out['Tag-REPORT'] = ' '.join(sorted(out['Tag-REPORT'].split()))
    ranked = out.get('Tag-TEXTCATRESULTS', '').split()
    if ranked and ':' in ranked[0]:
        score = lambda item: float(re.sub(r'.*:|\(.*', '', item) or 0)
        out['Tag-TEXTCATRESULTS'] = ' '.join(sorted((x for x in ranked if score(x) < score(ranked[-1])), key=lambda x: (score(x), x)))
    m = re.fullmatch(r'(.*yes \()(.*)\)', out.get('Tag-AUTOLEARN', ''))
    if m:
        out['Tag-AUTOLEARN'] = m.group(1) + ','.join(sorted(m.group(2).split(','))) + ')'
    return out


def run_case(case):
    """Number of messages that differ."""
    work = tempfile.mkdtemp(prefix='winnow-plugins-')
    site, rules, files = write_config(case, work)
    want, got = ask_reference(site, rules, files), ask_ours(site, rules, files, work)
    bad = 0
    for name in files:
        w, g = normal(want[name]), normal(got[name])
        if w is not None and w == g:
            if os.environ.get('VERBOSE'):
                print('# %s / %s: %s' % (case.name, name, g))
            continue
        bad += 1
        print('# %s / %s differs' % (case.name, name))
        for key in sorted(set(w or {}) | set(g or {})):
            a, b = (w or {}).get(key), (g or {}).get(key)
            if a != b and a is not None and b is not None and ',' in a + b:
                only = lambda x, y: sorted(set(x.split(',')) - set(y.split(',')))
                print('#   %s: reference only %s, ours only %s' % (key, only(a, b), only(b, a)))
            elif a != b:
                print('#   %s: reference %r, ours %r' % (key, a, b))
    if os.environ.get('KEEP'):
        print('#', work)
    else:
        shutil.rmtree(work, ignore_errors=True)
    return bad


def main(cases):
    chosen = sys.argv[1:]
    cases = [c for c in cases if not chosen or c.name in chosen]
    print('1..%d' % len(cases))
    failed = 0
    for number, case in enumerate(cases, 1):
        bad = run_case(case)
        failed += bad > 0
        print('%s %d - %s: %d of %d messages equal' % ('not ok' if bad else 'ok', number, case.name,
                                                      len(case.messages) - bad, len(case.messages)))
    sys.exit(failed > 0)
