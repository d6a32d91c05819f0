#!/usr/bin/env python3
"""AutoLearnThreshold, Shortcircuit, AuthRes, FromNameSpoof, Phishing, PhishTag, originating_ip_headers against the reference."""
import os, tempfile
from compare import *

need_reference()

AUTOLEARN = """use_bayes 1
required_score 5
header  H_ONE    Subject =~ /hone/
score   H_ONE    2 2 4 4
header  H_BIG    Subject =~ /hbig/
score   H_BIG    9
body    B_ONE    /bone/
score   B_ONE    2
body    B_BIG    /bbig/
score   B_BIG    9
uri     U_ONE    /uone/
score   U_ONE    2
full    F_BIG    /fbig/
score   F_BIG    9
rawbody R_ONE    /rone/
score   R_ONE    1.5
meta    M_ONE    H_ONE && B_ONE
score   M_ONE    7.777
meta    M_TWO    M_ONE + __B + H_ONE + UNKNOWN_RULE
body    __B      /bone/
body    L_SPAM   /lspam/
tflags  L_SPAM   learn
score   L_SPAM   3
body    L_HAM    /lham/
tflags  L_HAM    learn nice
score   L_HAM    -4
body    N_AUTO   /nauto/
tflags  N_AUTO   noautolearn
score   N_AUTO   20
body    USERC    /userc/
tflags  USERC    userconf
score   USERC    -20
body    FORCE    /force/
tflags  FORCE    autolearn_force
score   FORCE    15
body    FORCE2   /ftwo/
tflags  FORCE2   autolearn_force
score   FORCE2   1
body    AS_HEAD  /ashead/
tflags  AS_HEAD  autolearn_header
score   AS_HEAD  6
header  AS_BODY  Subject =~ /asbody/
tflags  AS_BODY  autolearn_body
score   AS_BODY  6
body    MULTI    /multi/
tflags  MULTI    multiple maxhits=5
score   MULTI    1.1
body    NEG      /neg/
score   NEG      -1.05
body    TINY     /tiny/
score   TINY     0.1
"""
autolearn = {}
for words in ('', 'tiny', 'neg', 'tiny neg', 'hone', 'bone', 'hone bone', 'hbig bbig', 'hbig hone', 'hbig hone bone rone', 'bbig bone rone',
              'hone bone uone rone bbig', 'hbig bone rone', 'fbig hbig', 'hbig bbig lham', 'hbig bbig lspam', 'lspam', 'lham', 'nauto',
              'userc hbig bbig', 'force', 'force ftwo', 'force userc', 'force neg', 'ftwo', 'ashead asbody', 'ashead', 'asbody hbig',
              'multi multi multi', 'multi ' * 8 + 'hbig hone', 'ashead asbody lham', 'force lham', 'nauto neg'):
    autolearn[words] = mail('Text %s http://uoneX.example.com/%s\n' % (words, 'uone' if 'uone' in words else ''),
                            subject='s %s' % words).replace(b'uoneX', b'www')

SC = """header  A  Subject =~ /aaa/
score   A  1
header  B  Subject =~ /bbb/
score   B  -2
body    C  /ccc/
score   C  3
body    D  /ddd/
score   D  1
rawbody E  /eee/
score   E  1
full    F  /fff/
score   F  1
uri     U  /uuu/
score   U  1
header  Z  Subject =~ /./
priority Z 500
meta    M  A && C
meta    N  C && !A
body    __S /sub/
header  HE eval:check_for_unique_subject_id()
"""
sc_messages = {}
for words in ('none', 'aaa', 'bbb', 'ccc', 'ddd', 'aaa bbb', 'aaa ccc', 'ccc ddd', 'eee', 'fff', 'eee fff ddd', 'aaa bbb ccc ddd eee fff', 'sub', 'uuu'):
    sc_messages[words] = mail('Text %s http://www.example.com/%s\n' % (words, words.replace(' ', '')), subject='s %s' % words)
SC_TAGS = ('SC', 'SCRULE', 'SCTYPE', 'AUTOLEARN', 'REPORT')

auth = {}
trusted = 'Received: from a.example.com (a.example.com [127.0.0.1]) by b.example.com with ESMTP id 1; Mon, 1 Jan 2024 10:00:00 +0000\n'
outside = 'Received: from x.example.org (x.example.org [9.8.7.6]) by b.example.com with ESMTP id 2; Mon, 1 Jan 2024 09:59:00 +0000\n'
AR = 'Authentication-Results: '
for i, value in enumerate([
        'mx.example.com; spf=pass smtp.mailfrom=example.net', 'mx.example.com; spf=pass', 'mx.example.com; none', 'mx.example.com',
        'mx.example.com;', 'mx.example.com; spf=PASS', 'mx.example.com 1; spf=fail (no (really) not) smtp.mailfrom=a@example.net; dkim=none',
        'mx.example.com; spf=pass (unclosed smtp.mailfrom=x', 'mx.example.com; dkim=pass header.d=example.com header.i=@example.com',
        'mx.example.com; dkim=pass reason="good \\" key" header.d=example.com', 'mx.example.com; dkim=pass reason=good header.d=x.y.z',
        'mx.example.com; dkim=fail reason=(comment) word header.b=ab+/=', 'mx.example.com; dkim=pass header.x=1', 'mx.example.com; foo=pass',
        'mx.example.com; dmarc=pass (p=none dis=none) header.from=example.com', 'mx.example.com; dmarc=pass action=none header.from=example.com',
        'mx.example.com; dmarc=pass policy.dmarc=none', 'mx.example.com; arc=pass smtp.remote-ip=1.2.3.4', 'mx.example.com; iprev=pass policy.iprev=1.2.3.4',
        'mx.example.com; iprev=none', 'mx.example.com; sender-id=pass header.from=x', 'mx.example.com; auth=pass smtp.auth=user@example.com',
        'mx.example.com; auth=pass (cram-md5) smtp.auth="user name"', 'mx.example.com; spf=pass smtp.mailfrom=a,b', 'mx.example.com; spf=pass smtp.mailfrom=<a@b>',
        'mx.example.com; spf=pass smtp.mailfrom=  ; dkim=pass', 'mx.example.com; spf=pass smtp.mailfrom', 'mx.example.com; spf/1=pass smtp.helo=x',
        'mx.example.com; spf / 1 = pass smtp . helo = x', 'mx.example.com; spf/x=pass', 'mx.example.com=1; spf=pass', '(c) mx.example.com; spf=pass',
        'mx.example.com (c) 1 (d) ; (e) spf (f) = (g) pass (h) ; dkim=neutral', 'mx.example.com; mx.example.com; spf=pass', 'MX.example.com; mx.example.com; spf=pass',
        'mx.example.com; MX.example.com; spf=pass', 'other.example.com; spf=softfail', 'mx.example.com; spf=fail; spf=pass', 'mx.example.com; spf=none; none',
        'mx.example.com; spf=pass;;', 'mx.example.com; spf=pass; ;', 'mx.example.com; dkim-adsp=unknown; dnswl=pass dns.zone=list.dnswl.org policy.ip=127.0.10.0',
        'mx.example.com; smime=pass body.smime-part=2; vbr=pass header.md=x; rrvs=pass smtp.rcptto=x; domainkeys=pass; dkim-atps=pass',
        'mx.example.com; spf=pass smtp.mailfrom=a@b.c.d..e', 'mx.example.com; spf=pass smtp.mailfrom=!!?x', 'mx.example.com; spf=pass smtp.mailfrom="a"b',
        'mx.example.com; spf=pass smtp.mailfrom=:::::x', 'mx.example.com; spf=pass smtp.mailfrom=\xe9\xe9x', '"mx"; spf=pass', '; spf=pass', '',
        'mx.example.com; spf=pass_x', 'mx.example.com; nonex=pass', 'mx.example.com; spf=pass reasons=x', 'mx.example.com; SPF=pass smtp.MAILFROM=x',
        'mx.example.com; spf=pass smtp.mailfrom=a.b.c;x', 'mx.example.com; spf=pass smtp.mailfrom=a..b;dkim=fail', 'mx.example.com; spf=pass header.d=a']):
    for where in ('in', 'out'):
        head = (AR + value + '\n' + trusted + outside) if where == 'in' else (trusted + outside + AR + value + '\n')
        if where == 'in' or i < 3:
            auth['%d %s %s' % (i, where, value)] = head.encode('latin-1') + mail('x')
for i, value in enumerate(['i=1; mx.example.com; spf=pass', 'i=0; mx.example.com; spf=pass', 'i=51; mx.example.com; spf=pass', 'mx.example.com; spf=pass',
                           'i = (c) 2 ; mx.example.com; dkim=fail; arc=none', 'I=1; mx.example.com; spf=pass', 'i=1 mx.example.com; spf=pass']):
    auth['arc %d' % i] = ('ARC-Authentication-Results: ' + value + '\n' + trusted + outside).encode() + mail('x')
auth['two'] = (AR + 'mx.example.com; spf=fail\n' + AR + 'mx.example.com; spf=pass; dkim=none\n' + AR + 'mx.example.com; dkim=fail\n' + trusted).encode() + mail('x')
auth['none at all'] = mail('x')
auth['folded'] = (AR + 'mx.example.com;\n  spf=pass (c\n d)\n smtp.mailfrom=x;\n\tdkim=fail\n' + trusted).encode() + mail('x')
auth_cf = ''
for method in 'arc auth dkim dkim-adsp dkim-atps dmarc dnswl domainkeys iprev rrvs sender-id smime spf vbr SPF nothing'.split():
    for result in 'pass fail none missing neutral softfail temperror permerror PASS unknown'.split():
        auth_cf += 'header AR_%s_%s eval:check_authres_result("%s", "%s")\n' % (method.replace('-', '_'), result, method, result)

spoof = {}
for i, (name, addr) in enumerate([
        ('Ann', 'ann@example.com'), ('ann@example.com', 'ann@example.com'), ('bob@example.net', 'ann@example.com'), ('bob@mail.example.com', 'ann@example.com'),
        ('"bob@example.net"', 'ann@example.com'), ('Bob Smith (bob@example.net)', 'ann@example.com'), ('bob@example.net via list', 'ann@lists.example.org'),
        ('Paypal service@paypal.com', 'x@evil.example'), ('service@paypal.co.uk', 'x@paypal.de'), ('a@b', 'x@y.com'), ('x@localhost.nosuchtld', 'x@y.com'),
        ('support@github.com', 'x@news.github.io'), ('Very long display name indeed, with many other words in it: bob@example.net', 'ann@example.com'),
        ('BOB@Example.NET', 'ann@example.com'), ('to@example.net', 'ann@example.com'), ('reply@example.org', 'ann@example.com'),
        ('a@b.com c@d.com', 'c@d.com'), ('ünï bob@example.net', 'ann@example.com'), ('bob@example.net.', 'ann@example.com'), ('', 'ann@nosuchtld'),
        ('bob@foo.example.net', 'bob@example.net'), ('user@gmail.com', 'user@googlemail.com'), ('bob@example.com', 'ann@example.com'), ('x_y-z@sub.a-b.com!', 'n@q.org')]):
    for to in ('bob@example.net', 'to@example.net'):
        text = mail('x', sender='%s <%s>' % (name if '"' in name or '@' not in name else '"%s"' % name, addr))
        spoof['%d %s %s %s' % (i, name, addr, to)] = text.replace(b'To: bob@example.net', b'To: %s\nReply-To: Reply@example.org' % to.encode())
spoof['ignored'] = mail('x', sender='"bob@example.net" <ann@example.com>', head='List-Id: <l.example.com>\n')
spoof_cf = 'fns_check %s\n%s' + ''.join('header S_%d eval:%s(%s)\n' % (i, f, a) for i, (f, a) in enumerate([
    ('check_fromname_spoof', ''), ('check_fromname_spoof', '0'), ('check_fromname_spoof', '1'), ('check_fromname_spoof', '2'), ('check_fromname_spoof', '7'),
    ('check_fromname_different', ''), ('check_fromname_domain_differ', ''), ('check_fromname_contains_email', ''), ('check_fromname_equals_to', ''),
    ('check_fromname_owners_differ', ''), ('check_fromname_equals_replyto', '')]))
FNS = ('FNSFNAMEADDR', 'FNSFNAMEDOMAIN', 'FNSFNAMEOWNER', 'FNSFADDRADDR', 'FNSFADDRDOMAIN', 'FNSFADDROWNER')

feeds = tempfile.mkdtemp(prefix='winnow-feeds-')
os.chmod(feeds, 0o755)
for name, text in {
        'open': '# comment\nhttp://phish.example.com/login?x=1\nhttps://www.bad.example.net/a/b/c\n\nhttp://nodomain/x\nhttp://1.2.3.4/q\n  # c\n',
        'tank.csv': 'phish_id,url,more\n1,http://tank.example.com/x,2,3\n2,"https://quoted.example.org/y/z?p=1",x\nhttp://first\n# 3,http://no.example.com/,x\n',
        'stats.csv': 'title\n"2024","7.1","http://stats.example.com/x","1.2.3.4"\n"2024","5.0","http://low.example.com/x","1"\n"2024","6","http://six.example.com/x","1"\n# x\n"a"\n'}.items():
    with open(os.path.join(feeds, name), 'w') as fh:
        fh.write(text)
links = ['http://phish.example.com/login?x=1', 'http://phish.example.com/login', 'http://phish.example.com/login?y=2', 'https://www.bad.example.net/a/b/c',
         'https://www.bad.example.net/a/b/c?z', 'http://nodomain/x', 'http://1.2.3.4/q', 'http://tank.example.com/x', 'https://quoted.example.org/y/z?p=1',
         'https://quoted.example.org/y/z', 'http://stats.example.com/x', 'http://low.example.com/x', 'http://six.example.com/x', 'http://no.example.com/']
phish = {}
for i, link in enumerate(links):
    phish['text %d' % i] = mail('see %s now\n' % link)
    phish['html %d' % i] = mail('<a href="%s">x</a>\n' % link, ctype='text/html')
    phish['img %d' % i] = mail('<img src="%s">\n' % link, ctype='text/html')
phish_cf = 'phishing_openphish_feed %s/open\nphishing_phishtank_feed %s/tank.csv\nphishing_phishstats_feed %s/stats.csv\nbody P eval:check_phishing()\n' % ((feeds,) * 3)

toss_cf = 'body T_A /aaa/\nbody T_B /bbb/\ntrigger_ratio %s\ntrigger_target T_A http://warn.example.com/\n'
toss = {'none': mail('x'), 'a': mail('aaa'), 'ab': mail('<a href="http://x.example.com/y">aaa bbb</a>', ctype='text/html')}

ACCESS = {'From:bad@example.com': 'REJECT', 'ok@example.com': 'OK', 'example.org': '550 go away', 'From:sub.example.org': 'SKIP', 'user@': 'DISCARD',
          '9.8.7': 'ERROR:x', 'x.example.net': 'REJECT', 'net': 'OK', 'odd.example': 'RELAY', 'nul@example.com\0': 'REJECT', 'lower@example.com': 'reject',
          'zero@example.com': '0', 'long.example': 'x' * 3000}
ACCESS.update({'filler%d.example' % i: 'REJECT' * (i % 7) for i in range(2000)})
access = {}
if has_module('DB_File'):
    with open(os.path.join(feeds, 'access.txt'), 'w') as fh:
        fh.write(''.join('%s\t%s\n' % kv for kv in ACCESS.items()))
    subprocess.run(['perl', '-MDB_File', '-e', 'open F,$ARGV[0]; tie %h,"DB_File",$ARGV[1],O_RDWR|O_CREAT,0644,$DB_HASH or die; while(<F>){chomp;'
                    '($k,$v)=split/\\t/;$h{$k}=$v} untie %h; tie %b,"DB_File",$ARGV[2],O_RDWR|O_CREAT,0644,$DB_BTREE or die; $b{"example.com"}="REJECT"',
                    os.path.join(feeds, 'access.txt'), os.path.join(feeds, 'access.db'), os.path.join(feeds, 'btree.db')])
    for i, addr in enumerate(['bad@example.com', 'ok@example.com', 'a@example.org', 'a@x.sub.example.org', 'user@example.com', 'a@odd.example', 'nul@example.com',
                              'lower@example.com', 'BAD@example.com', 'a@filler7.example', 'a@filler1999.example', 'a@filler6.example', 'zero@example.com',
                              'a@long.example', 'a@example.com', 'a']):
        for j, relay in enumerate(['(x.example.net [9.8.7.6])', '([9.8.7.6])', '([8.8.7.6])']):
            if j == 2 or i < 4:
                access['%d %d %s' % (i, j, addr)] = ('Received: from foo %s by mx.example.com with ESMTP id 1; Mon, 1 Jan 2024 10:00:00 +0000\n' % relay).encode() \
                    + mail('x', sender='<%s>' % addr)

ORIGINS = ['198.51.100.7', '[198.51.100.7]', '2001:db8::7', '[2001:db8::7]', 'IPv6:2001:db8::7', 'nonsense', '198.51.100.7, 198.51.100.8',
           '10.1.2.3', '::ffff:198.51.100.7', '999.1.1.1', '198.51.100.7 (may be forged)', '', '127.0.0.1', 'fe80::1%eth0']
origins = {}
for name in ('X-Originating-IP', 'X-Yahoo-Post-IP', 'X-Own'):
    for i, value in enumerate(ORIGINS):
        for again in (0, 1):
            origins['%s %d %d' % (name, i, again)] = mail('x', head='%s: %s\n' % (name, value) + ('%s: 192.0.2.77\n' % name.lower() if again else ''))
RELAYS = ('RELAYSTRUSTED', 'RELAYSUNTRUSTED', 'RELAYSINTERNAL', 'RELAYSEXTERNAL')

main([
    Case('originating_ip_headers', ['HeaderEval'], 'header S Subject =~ /test/\noriginating_ip_headers X-Own\noriginating_ip_headers X-Originating-IP X-Yahoo-Post-IP\n', origins, RELAYS),
    Case('originating_ip_headers cleared', ['HeaderEval'], 'header S Subject =~ /test/\noriginating_ip_headers X-Originating-IP\nclear_originating_ip_headers\noriginating_ip_headers X-Own\n',
         origins, RELAYS),
    Case('AccessDB', ['AccessDB'], ''.join('header A_%d eval:check_access_database("%s/%s")\n' % (i, feeds, f)
                                         for i, f in enumerate(['access.db', 'btree.db', 'none.db', 'access.txt'])), access),
    Case('AutoLearnThreshold', ['AutoLearnThreshold'], AUTOLEARN, autolearn, ('AUTOLEARN', 'AUTOLEARNSCORE')),
    Case('AutoLearnThreshold limits', ['AutoLearnThreshold'],
         AUTOLEARN + 'bayes_auto_learn_threshold_nonspam -1\nbayes_auto_learn_threshold_spam 6\n', autolearn, ('AUTOLEARN', 'AUTOLEARNSCORE')),
    Case('AutoLearn not loaded', [], AUTOLEARN, autolearn, ('AUTOLEARN', 'AUTOLEARNSCORE')),
    Case('AutoLearn off', ['AutoLearnThreshold'], AUTOLEARN + 'bayes_auto_learn 0\n', autolearn, ('AUTOLEARN', 'AUTOLEARNSCORE')),
    Case('Shortcircuit', ['Shortcircuit', 'HeaderEval'], SC + 'shortcircuit A on\nshortcircuit C spam\nshortcircuit B ham\npriority A -3\npriority B -2\npriority C -1\n', sc_messages, SC_TAGS),
    Case('Shortcircuit late', ['Shortcircuit', 'HeaderEval', 'AutoLearnThreshold'],
         SC + 'use_bayes 1\nshortcircuit D on\nshortcircuit F spam\nshortcircuit E on\nshortcircuit U on\nshortcircuit __S ham\nshortcircuit C on\n'
         'shortcircuit C off\nshortcircuit_spam_score 50\nshortcircuit_ham_score -3\nscore SHORTCIRCUIT 5\n', sc_messages, SC_TAGS),
    Case('Shortcircuit limits', ['Shortcircuit', 'HeaderEval'],
         SC + 'shortcircuit_min_ham_score -1\nshortcircuit_max_spam_score 2\nheader SHORTCIRCUIT eval:check_shortcircuit()\npriority A -5\npriority B -4\n'
         'priority C -3\n', sc_messages, SC_TAGS),
    Case('Shortcircuit metas', ['Shortcircuit', 'HeaderEval'],
         SC + 'shortcircuit M on\nshortcircuit N spam\nmeta O (M)\npriority O 100\nmeta P (Z)\n', sc_messages, SC_TAGS),
    Case('AuthRes', ['AuthRes'], auth_cf, auth),
    Case('AuthRes all', ['AuthRes'], auth_cf + 'authres_networks all\nauthres_trusted_authserv mx.example.com Other.example.com\nauthres_ignored_authserv other.example.com\n', auth),
    Case('AuthRes trusted', ['AuthRes'], auth_cf + 'authres_networks trusted\nauthres_ignored_authserv MX.example.com\n', auth),
    Case('FromNameSpoof', ['FromNameSpoof'], spoof_cf % (1, ''), spoof, FNS),
    Case('FromNameSpoof lists', ['FromNameSpoof'],
         spoof_cf % (2, 'fns_add_addrlist (GOOGLE) *@gmail.com *@googlemail.com\nfns_add_addrlist (Ex) *@example.net *@example.com ann@x\n'
                     'fns_remove_addrlist (Ex) ann@x\nfns_extrachars 10\nfns_ignore_headers List-Id X-Y\n'), spoof, FNS),
    Case('Phishing', ['Phishing'], phish_cf, phish, ('REPORT',)),
    Case('Phishing noparam', ['Phishing'], phish_cf + 'phishing_uri_noparam 1\nphishing_phishstats_minscore 4\n', phish, ('REPORT',)),
    Case('PhishTag', ['PhishTag'], toss_cf % 100, toss),
    Case('PhishTag off', ['PhishTag'], toss_cf % 0, toss),
])
