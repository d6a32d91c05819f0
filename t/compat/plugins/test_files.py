#!/usr/bin/env python3
"""TextCat, PDFInfo, OLEVBMacro against the reference."""
import io, zipfile, zlib
from compare import *

need_reference()

SAMPLES = {
    'en': 'The quick brown fox jumps over the lazy dog, and then it goes home to think about what it has done during this long and rather tiring day. ' * 3,
    'de': 'Der schnelle braune Fuchs springt über den faulen Hund, und danach geht er nach Hause, um über den langen Tag nachzudenken, der hinter ihm liegt. ' * 3,
    'fr': 'Le renard brun et rapide saute par-dessus le chien paresseux, puis il rentre chez lui pour réfléchir à tout ce qui est arrivé pendant la journée. ' * 3,
    'ru': 'Быстрая коричневая лиса прыгает через ленивую собаку, а потом идёт домой подумать о том, что произошло за этот длинный день. ' * 3,
    'zh': '敏捷的棕色狐狸跳过了懒惰的狗，然后回家思考这漫长的一天里发生的事情。' * 8,
    'el': 'Η γρήγορη καφέ αλεπού πηδάει πάνω από τον τεμπέλη σκύλο και μετά πηγαίνει σπίτι της να σκεφτεί τη μέρα. ' * 3,
    'short': 'Too short to tell.', 'caps': 'BUY NOW THIS VERY CHEAP OFFER WHILE IT LASTS ' * 8, 'digits': '1234567890 ' * 60,
    'links': 'see http://www.example.com/a/b/c and www.example.org/x or mail ann@example.com about it. ' * 12,
    'mixed': ('The quick brown fox jumps over the lazy dog. ' + 'Der schnelle braune Fuchs springt über den faulen Hund. ') * 6,
    'nonsense': 'xq zzk wvv ptrl mnb hgf ' * 30,
}
languages = {}
for name, text in SAMPLES.items():
    languages[name] = mail(text, ctype='text/plain; charset=utf-8', subject='Re: Fwd: a test')
    languages[name + ' html'] = mail('<p>%s</p>' % text, ctype='text/html; charset=utf-8')
languages['koi8'] = mail(SAMPLES['ru'].replace('ё', 'e').encode('koi8-r', 'replace'), ctype='text/plain; charset=koi8-r')
languages['latin1'] = mail(SAMPLES['de'].encode('latin-1'), ctype='text/plain; charset=iso-8859-1')
languages['raw latin1'] = mail(SAMPLES['fr'].encode('latin-1'), ctype='text/plain')
languages['long'] = mail((SAMPLES['en'] + '\n\n') * 40)
textcat_cf = 'body L eval:check_language()\nbody B eval:check_body_8bits()\nheader XL X-Languages =~ /en/\nheader XN X-Languages-Length =~ /^[1-9]/\n'


def pdf(lines, front=b'%PDF-1.4\n%\xe2\xe3\xcf\xd3\n', end=b'\n'):
    return front + end.join(x if isinstance(x, bytes) else x.encode('latin-1') for x in lines) + end + b'%%EOF\n'


base_pdf = ['1 0 obj', '<</Type/Catalog/Pages 2 0 R>>', 'endobj', '/Width 100', '/Type /XObject', '/Subtype /Image', 'stream', 'xx', 'endstream']
PDFS = {
    'plain': pdf(base_pdf), 'none': b'not a pdf', 'late': b'x' * 1000 + pdf(base_pdf), 'too late': b'x' * 1100 + pdf(base_pdf), 'bom': b'\xef\xbb\xbf' + pdf(base_pdf),
    'two versions': b'%PDF-1.2\n' + pdf(base_pdf), 'empty': b'', 'only magic': b'%PDF-1.7',
    'image': pdf(base_pdf + ['<</Subtype/Image/Width 640/Height 480/Bits 8>>', '/Image', '200 0 0 100 5 5 cm', '/Image', '/Width 10', '/Height 20']),
    'image matrix cr': pdf(base_pdf + ['/Image', '200 0 0 100 5 5 cm'], end=b'\r\n'),
    'image zero': pdf(['/Image', '0 0 0 100 5 5 cm', '00 0 0 100 5 5 cm']), 'image odd': pdf(['/Image/Width  640/Height 480', '/Image /Width 640/Height 480', '/Image']),
    'encrypted': pdf(base_pdf + ['/Encrypt 7 0 R']), 'not encrypted': pdf(base_pdf + [' /Encrypt 7 0 R']),
    'info': pdf(base_pdf + ['/Author (Ann Example)', '/Creator(Word \\(tm\\) \\\\ x)/Producer <feff00410042> /Title  (A \\344 title)',
                            '/CreationDate (D:20240101120000Z)/ModDate(D:2023)', '/Author (open', '/Title ()/Author <41 42 zz43>']),
    'info long': pdf(['/Title (%s)' % ('long title ' * 60)] * 5), 'info escapes': pdf(['/Title (a\\\\101\\101\\)b) /Author (\xfe\xff\x00A\x00B)', '/Creator (no end\\)', '/Producer (x) )']),
    'uri': pdf(base_pdf + ['<</S/URI/URI(http://uri.example.com/x)>>', '/URI (https://two.example.net/y)', '<</A (http://three.example.org/abcdefgh)>>',
                           '<</S /URI /URI <687474703a2f2f6865782e6578616d706c652e636f6d2f>', '/S/URI/URI(nodot)', '  /URI(http://four.example.com/)/Author (lost?)',
                           'x /URI(http://not.example.com/)', '/URI(.first.example.com)', '/S/URI/URI(http://a\\)b.example.com/) (http://b.example.com/12345678)>>']),
    'uri many': pdf(['/URI(http://u%d.example.com/)' % i for i in range(30)]), 'uri nul': pdf([b'/URI(http://nul.example.com/\x00x)', b'/URI(http://good.example.com/)']),
    'layout': pdf(['/MediaBox [0 0 1 1]', '/CropBox [1]', '% comment', 'text   ', '/Heightx', '1 2 3 4 5 6 cm', 'a'] + ['line %d' % i for i in range(80)]),
    'long line': pdf(['/S' * 500 + '(http' * 500 + '/Author (' * 500]), 'names': pdf(['/Abc1 x', '/Def', '/', '//Ghi', '/Jkl/Mno']),
}
pdf_messages = {'no attachment': mail('x')}
for name, data in PDFS.items():
    pdf_messages[name] = attach('a.pdf', 'application/pdf', data)
for name, ctype in (('a.pdf', 'application/octet-stream'), ('a.PDF', 'image/octet-stream'), ('a.txt', 'application/octet-stream'), ('', 'application/pdf'),
                    ('x.fdf', 'application/octet-stream'), ('a b.pdf', 'image/pdf'), ('a.pdf', 'application/x-pdf'), ('0', 'application/pdf'), ('.pdf', 'application/octet-stream')):
    pdf_messages['%s %s' % (name, ctype)] = attach(name, ctype, PDFS['image'])
pdf_messages['empty body'] = attach('a.pdf', 'application/pdf', PDFS['image']).replace(b'hello\n', b' \n')
md5s = ['%s' % __import__('hashlib').md5(PDFS[x]).hexdigest() for x in ('plain', 'image')]
pdf_cf = ''.join('body P_%d eval:%s(%s)\n' % (i, f, a) for i, (f, a) in enumerate([
    ('pdf_count', '1'), ('pdf_count', '0,0'), ('pdf_count', '2'), ('pdf_image_count', '1'), ('pdf_image_count', '2,2'), ('pdf_image_count', '0'),
    ('pdf_pixel_coverage', '1'), ('pdf_pixel_coverage', '20000,20000'), ('pdf_pixel_coverage', '300000,400000'), ('pdf_image_size_exact', '480,640'),
    ('pdf_image_size_exact', '580,840'), ('pdf_image_size_exact', '100,200'), ('pdf_image_size_range', '50,50'), ('pdf_image_size_range', '50,50,200'),
    ('pdf_image_size_range', '400,600,500,700'), ('pdf_named', '"a.pdf"'), ('pdf_named', '"0"'), ('pdf_name_regex', r"'/^a\.PDF$/i'"), ('pdf_name_regex', r"'b\.pdf'"),
    ('pdf_image_to_text_ratio', '0,1'), ('pdf_image_to_text_ratio', '0,0.0001'), ('pdf_match_md5', '"%s"' % md5s[0]), ('pdf_match_md5', '"%s"' % md5s[1].upper()),
    ('pdf_match_fuzzy_md5', '"D41D8CD98F00B204E9800998ECF8427E"'), ('pdf_match_details', "'author','/ann/i'"), ('pdf_match_details', "'title','/./'"),
    ('pdf_match_details', "'created','/^2024/'"), ('pdf_match_details', "'modified','2023'"), ('pdf_match_details', "'producer','AB'"),
    ('pdf_match_details', "'creator','/Word \\(tm\\) \\\\/'"), ('pdf_match_details', "'other','/x/'"), ('pdf_is_encrypted', ''), ('pdf_is_empty_body', ''),
    ('pdf_is_empty_body', '6'), ('pdf_is_empty_body', '5')]))
pdf_cf += ''.join('uri U_%s /%s/\n' % (x, x) for x in ('uri', 'two', 'three', 'hex', 'four', 'not', 'first', 'u19', 'u20', 'good', 'nul'))
PDF_TAGS = tuple('PDFCOUNT PDFIMGCOUNT PDFVERSION PDFNAME PDFIMGDIM PDFAUTHOR PDFCREATOR PDFPRODUCER PDFTITLE PDFIMGAREA PDFMD5 PDFMD5FUZZY1 PDFMD5FUZZY2'.split())

OLE = b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1'
MACRO = OLE + b'\0' * 600 + b'\x00Attribut\x00' + b'rest'
ENCRYPTED = OLE + b'\0' * 100 + 'EncryptedPackage'.encode('utf-16le') + b'\0' * 900
RELS = ('<Relationships><Relationship Id="1" Target="http://rel.example.com/x" TargetMode="External"/><Relationship Target="mhtml:https://mh.example.com/y"'
        ' TargetMode="External"/><Relationship Target="local.xml"/></Relationships>')


def archive(members, password=False):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as z:
        for name, data in members.items():
            z.writestr(name, data, zipfile.ZIP_STORED if len(data) < 20 else zipfile.ZIP_DEFLATED)
    data = out.getvalue()
    if password:   # the flag alone says so
        data = data.replace(b'PK\x01\x02\x14\x03\x14\x00\x00\x00', b'PK\x01\x02\x14\x03\x14\x00\x01\x00')
    return data


docm = archive({'[Content_Types].xml': '<Types/>' + ' ' * 30, 'word/vbaProject.bin': OLE + b'Sub AutoOpen()' + b'\0' * 50, 'word/document.xml': '<x/>'})
docx = archive({'[Content_Types].xml': '<Types/>' + ' ' * 30, 'word/document.xml': '<x/>', 'word/_rels/document.xml.rels': RELS})
ctype_macro = archive({'[Content_Types].xml': '<Types><Default ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/></Types>'})
xl = archive({'xl/embeddings/oleObject1.bin': OLE + b'x', 'xl/vbaProject.bin': b'no bad thing in it but long enough to pack'})
rtf = archive({'word/x.rtf': 'rtf', 'word/afchunk.rtf': 'x' * 40})
FILES = {
    'a.doc macro': ('a.doc', MACRO), 'a.doc malice': ('a.doc', MACRO + b'Document_Open'), 'a.doc plain': ('a.doc', OLE + b'\0' * 1000),
    'a.doc text': ('a.doc', b'hello'), 'a.doc enc': ('a.doc', ENCRYPTED), 'a.xls workbook': ('a.xls', OLE + b'\0' * 90 + 'Workbook'.encode('utf-16le') + b'\0' * 600),
    'a.doc fe': ('a.doc', OLE + b'\0' * (0x208 - 8) + b'\xfe' + b'\0' * 100), 'a.doc 2f': ('a.doc', OLE + b'\0' * (0x214 - 8) + b'\x2f' + b'\0' * 100),
    'a.doc 13': ('a.doc', OLE + b'\0' * (0x20b - 8) + b'\x13' + b'\0' * 100), 'a.doc short': ('a.doc', OLE), 'a.doc enc xml': ('a.doc', OLE + b'<ENCRYPTION xmlns="x">'),
    'a.rtf obj': ('a.rtf', b'{\\rtf1 \\objemb x}'), 'a.rtf dat': ('a.rtf', b'{\\rtf1 \\objdata x}'), 'a.rtf dat2': ('a.rtf', b'{\\rtf1 \\ objdata x}'),
    'a.doc xml': ('a.doc', b'<w:x w:macrosPresent="yes">auto_open'), 'a.doc rels': ('a.doc', b'vbaProject.bin.rels'), 'a.doc 2a': ('a.doc', OLE + b'\x01\0O\0l\0e\x001\x000\0N\0a\0'),
    'a.docm': ('a.docm', docm), 'a.docm bad': ('a.docm', b'PKxxxx'), 'a.docx': ('a.docx', docx), 'a.docx ct': ('a.docx', ctype_macro), 'a.xlsx': ('a.xlsx', xl), 'a.docx rtf': ('a.docx', rtf),
    'a.pptx skipped': ('a.pptx', docm), 'a.zip': ('a.zip', archive({'x.docm': docm, 'y.doc': MACRO})), 'a.zip zip': ('a.zip', archive({'b.zip': archive({'x.doc': MACRO})})),
    'a.zip deep': ('a.zip', archive({'b.zip': archive({'c.zip': archive({'x.doc': MACRO})})})), 'a.zip pw': ('a.zip', archive({'x.docm': docm, 'x.txt': 'x' * 50}, True)),
    'a.zip many': ('a.zip', archive(dict([('f%d.doc' % i, b'x') for i in range(9)] + [('z.doc', MACRO)]))), 'a.zip empty': ('a.zip', archive({})), 'a.zip bad': ('a.zip', b'PK\x03\x04' + b'x' * 40),
    'a.zip cut': ('a.zip', archive({'x.doc': MACRO * 20})[:-30]), 'a.zip csv': ('a.zip', archive({'x.csv': "=MSEXCEL|'\\..\\..\\..\\Windows\\System32\\cmd.exe'!x" + ' ' * 20})),
    'a.csv': ('a.csv', b"=MSEXCEL|'\\..\\..\\..\\Windows\\System32\\cmd.exe' /c calc"), 'a.csv good': ('a.csv', b'1,2,cmd.exe'), 'a.doc exe': ('a.doc', MACRO + b'\x00http://dl.example.com/some/long/path/abcdefghi.exe\x06'),
    'a.doc dl': ('a.doc', MACRO + b'URLDownloadToFileA cmd.exe /c ms^h^ta ht^tps:/^/x'), 'a.bin renamed': ('a.bin', MACRO), 'a.bin docm': ('a.bin', docm), 'a.bin zip': ('a.bin', archive({'q.bin': MACRO})),
    'a.txt': ('a.txt', MACRO), 'a.DOC': ('a.DOC', MACRO), 'adoc': ('adoc', MACRO), 'a.doc.txt': ('a.doc.txt', MACRO), '': ('', MACRO),
}
ole_messages = {'none': mail('x')}
for name, (file, data) in FILES.items():
    ole_messages[name] = attach(file, 'application/octet-stream', data)
ole_messages['disposition'] = attach('a.txt', 'application/octet-stream', MACRO, disposition='Content-Disposition: attachment; filename="a.doc"\n')
ole_messages['text type'] = attach('a.doc', 'text/plain', MACRO)
ole_messages['encoded name'] = attach('=?utf-8?B?' + base64.b64encode(b'a.doc').decode() + '?=', 'application/octet-stream', MACRO)
ole_cf = ''.join('body %s eval:check_%s()\n' % (x.upper(), x) for x in
                 'olemacro oleobject olertfobject olemacro_csv olemacro_malice olemacro_renamed olemacro_encrypted olemacro_zip_password '
                 'olemacro_download_exe olemacro_redirect_uri olemacro_mhtml_uri'.split())
ole_cf += 'uri U_REL /rel\\.example/\nuri U_MH /mh\\.example/\n'

cases = [
    Case('TextCat', ['TextCat'], textcat_cf, languages, ('TEXTCATRESULTS', 'LANGUAGES', 'REPORT')),
    Case('TextCat en', ['TextCat'], textcat_cf + 'ok_languages en\ntextcat_max_languages 5\ntextcat_acceptable_score 1.1\n', languages, ('TEXTCATRESULTS', 'LANGUAGES', 'REPORT')),
    Case('TextCat de', ['TextCat'], textcat_cf + 'ok_languages de sco\ninactive_languages fr\ntextcat_max_ngrams 200\ntextcat_optimal_ngrams 2\n', languages, ('TEXTCATRESULTS', 'LANGUAGES', 'REPORT')),
    Case('PDFInfo', ['PDFInfo'], pdf_cf, pdf_messages, PDF_TAGS),
]
if has_module('Archive::Zip') and has_module('IO::String'):
    cases += [
        Case('OLEVBMacro', ['OLEVBMacro'], ole_cf, ole_messages, ('REPORT',)),
        Case('OLEVBMacro extended', ['OLEVBMacro'], ole_cf + 'olemacro_extended_scan 1\nolemacro_zip_depth 3\nolemacro_num_zip 3\nolemacro_prefer_contentdisposition 0\n', ole_messages, ('REPORT',)),
    ]
main(cases)
