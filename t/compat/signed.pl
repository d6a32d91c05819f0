#!/usr/bin/perl
# signed.pl --out DIR [--count N] [--seed S]
# Writes DIR/NNNN.eml, messages as they are signed today (DKIM, several signers, DomainKeys, ARC chains, lists that alter them,
# forgeries), and DIR/zone (NAME TYPE VALUE) with their keys and practices, for a DNS server of the tests.  Keys are made on the
# fly; signatures are those of Mail::DKIM.  Compare: run both servers over DIR with DIR/zone, then `verdicts.py diff`.
use strict;
use warnings;
use Getopt::Long;
use Crypt::OpenSSL::RSA;
use Mail::DKIM::TextWrap;
use Mail::DKIM::Signer;
use Mail::DKIM::PrivateKey;
use Mail::DKIM::Signature;
use Mail::DKIM::DkSignature;
use Mail::DKIM::ARC::Signer;

my ($out, $count, $seed) = (undef, 400, 1);
GetOptions('out=s' => \$out, 'count=i' => \$count, 'seed=i' => \$seed) && $out or die "usage: signed.pl --out DIR [--count N] [--seed S]\n";
srand($seed);
mkdir $out;
open(my $zone, '>', "$out/zone") or die "$out/zone: $!\n";

sub pick { return $_[rand @_] }
sub chance { return rand() < $_[0] }

# ---- keys ----

my %key;    # bits -> [PrivateKey, p=]
for my $bits (512, 768, 1024, 1536, 2048, 4096) {
	my $rsa = Crypt::OpenSSL::RSA->generate_key($bits);
	my $pem = $rsa->get_private_key_string;
	my $pub = $rsa->get_public_key_x509_string;
	s/-----[^-]+-----//g, s/\s+//g for $pem, $pub;
	$key{$bits} = [Mail::DKIM::PrivateKey->load(Data => $pem), $pub];
}

my @authors = qw(example.com mail.example.com example.org news.example.net shop.example bank.example paypal.com ebay.co.uk
  amazon.com linkedin.com googlegroups.com gmail.com yahoo.com list.example xn--bcher-kva.example b-c.example.co.uk
  nxd.invalid allsigned.example discards.example strict.example broken.example quiet.example newsletter.dhl.de
  alerts.chase.com secureserver.net);
my @third = qw(sendgrid.net mailchimpapp.net amazonses.com list.example esp.example mcsv.net);
my %asked;
sub record {
	my ($name, $type, $value) = @_;
	print $zone "$name $type $value\n" if !$asked{"$name $type"}++;
}
for my $d (@authors, @third) {
	next if $d =~ /invalid/;
	record($d, 'A', '192.0.2.' . (1 + int rand 250));
	record($d, 'MX', "10 mx.$d");
}
record('_adsp._domainkey.allsigned.example', 'TXT', 'dkim=all');
record('_adsp._domainkey.discards.example', 'TXT', 'dkim = discardable ; t=s');
record('_adsp._domainkey.strict.example', 'TXT', 'dkim=strict');
record('_adsp._domainkey.broken.example', 'TXT', 'dkim');
record('_adsp._domainkey.quiet.example', 'TXT', 'dkim=unknown');

# What key records look like; the selector says which.
my @shapes = ('v=DKIM1; k=rsa; p=%s', 'p=%s', 'v=DKIM1; p=%s;', 'k=rsa; t=y; p=%s', 'v=DKIM1; t=s; p=%s', 'v=DKIM1; h=sha256; p=%s',
	'v=DKIM1; s=email; p=%s', 'v=DKIM1; g=*; k=rsa; p=%s', 'v=DKIM1; n=a note; p=%s', 'v=DKIM1;k=rsa;p=%s', 'v=DKIM1; s=tlsrpt; p=%s',
	'v=DKIM1; h=sha1; p=%s', 'v=DKIM1; p=', 'v=DKIM2; p=%s', 'v=DKIM1; k=ed25519; p=%s');
sub selector {
	my ($domain, $bits, $shape) = @_;
	my $s = "s$bits" . ($shape ? "x$shape" : '');
	record("$s._domainkey.$domain", 'TXT', sprintf($shapes[$shape] =~ /%s/ ? $shapes[$shape] : $shapes[$shape] . '%.0s', $key{$bits}[1]))
	  if $shape < @shapes;
	return $s;
}

# ---- signing ----

sub lines { my ($m) = @_; $m =~ s/\r?\n/\r\n/g; return $m }

sub sign {
	my ($message, %o) = @_;
	my $shape = $o{shape} // (chance(0.85) ? pick(0, 1, 2, 9) : int rand(@shapes + 2));
	my $bits = $o{bits} // pick(1024, 2048, 2048, 2048, 4096, 1536, 768, 512);
	my $selector = selector($o{domain}, $bits, $shape);
	my %args = (Algorithm => pick(('rsa-sha256') x 9, 'rsa-sha1'),
		Method => pick(('relaxed/relaxed') x 6, 'relaxed/simple', 'simple/simple', 'simple/relaxed', 'relaxed', 'simple'),
		Domain => $o{domain}, Selector => $selector, Key => $key{$bits}[0]);
	$args{Method} = $o{method} if $o{method};
	my $signer = Mail::DKIM::Signer->new(%args, Policy => sub {
		my ($s) = @_;
		if ($o{domainkeys}) {
			my $sig = Mail::DKIM::DkSignature->new(Algorithm => 'rsa-sha1', Method => pick('nofws', 'simple'), Domain => $o{domain},
				Selector => $selector, Headers => pick(undef, $s->headers));
			$s->add_signature($sig);
			return;
		}
		my %extra;
		$extra{Identity} = pick("\@$o{domain}", "\@sub.$o{domain}", "joe\@$o{domain}") if chance(0.25);
		$extra{Timestamp} = time - int rand 100000 if chance(0.5);
		$extra{Expiration} = time + pick(-1000, 1000000, 2000000) if chance(0.2);
		my $headers = $o{headers} // pick($s->headers, 'from:to:subject:date', 'From:To:Subject:From:Date:Message-ID:MIME-Version',
			'from:subject:list-id:x-none:to', 'from : to : subject');
		my $sig = Mail::DKIM::Signature->new(%args, %extra, Headers => $headers, Query => 'dns/txt');
		$sig->body_count(pick(1, 10, 60, 100000)) if chance(0.06);
		$s->add_signature($sig);
	});
	$message = lines($message);
	$signer->PRINT($message);
	$signer->CLOSE;
	my $added = join('', map { my $t = $_->as_string; $t =~ s/\r\n\z//; "$t\r\n" } $signer->signatures);
	return $added . $message;
}

sub seal {
	my ($message, $domain, $chain, $bits) = @_;
	my $arc = Mail::DKIM::ARC::Signer->new(Algorithm => 'rsa-sha256', Chain => $chain, Domain => $domain, SrvId => $domain,
		Selector => selector($domain, $bits, 0), Key => $key{$bits}[0],
		Headers => 'from:to:subject:date:message-id:dkim-signature', Timestamp => time);
	$message = lines("Authentication-Results: $domain; arc=none; spf=pass smtp.mfrom=a\@$domain; dkim=pass header.d=$domain\n" . lines($message));
	$arc->PRINT($message);
	$arc->CLOSE;
	my @as = $arc->as_strings;
	return join('', map { my $t = $_; $t =~ s/\r?\n?\z//; "$t\r\n" } @as) . $message;
}

# ---- messages ----

my @words = qw(invoice meeting offer today free account update please verify your order shipped weekly report list discussion patch
  release notes customer security update password dinner photos family holiday project status budget);
sub words { my ($n) = @_; return join(' ', map { pick(@words) } 1 .. $n) }

sub body {
	my ($type) = @_;
	my $text = join("\n", map { words(3 + int rand 10) . pick('', '', ' ', "\t", "  ") } 1 .. 2 + int rand 8);
	$text .= "\n" x int(rand 3);
	$text =~ s/^(.)/\n$1/ if chance(0.1);
	return "<html><body><p>$text</p><a href=\"http://www.$type/x\">here</a></body></html>\n" if chance(0.3);
	return $text . (chance(0.05) ? 'no end of line' : "\n");
}

sub plain {
	my ($from, $n) = @_;
	my $name = pick('Joe Doe ', '"Doe, Joe" ', "=?UTF-8?B?SsO2cmc=?= ", '');
	my $local = pick(qw(joe info newsletter no-reply service auto-confirm));
	my $author = chance(0.1) ? "$local\@$from" : "$name<$local\@$from>";
	$author .= ', Sue <sue@' . pick(@authors) . '>' if chance(0.05);
	$author = "\n $author" if chance(0.05);
	my $subject = join(chance(0.2) ? "\n " : ' ', words(2), words(3));
	my $body = body($from);
	my $html = $body =~ /<html>/;
	return "From: $author\nTo: Sue <sue\@example.net>\nSubject: $subject\nDate: Fri, 11 Jul 2025 21:00:37 +0200\n"
	  . "Message-ID: <$n.$seed\@$from>\n" . ($html ? "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n" : '')
	  . (chance(0.2) ? "List-Id: <list.example>\nX-Mailer:   some   thing \n" : '') . "\n$body";
}

my @damage = (
	sub { $_[0] =~ s/^(Subject: )/${1}[list] /m; $_[0] },
	sub { $_[0] . "-- \r\nlist footer\r\n" },
	sub { $_[0] =~ s/please/pleese/; $_[0] },
	sub { "Subject: another\r\nX-Spam: no\r\n" . $_[0] },
	sub { "From: Boss <boss\@bank.example>\r\n" . $_[0] },
	sub { $_[0] =~ s/\r\n([^\r\n]+)\z/\r\n$1\r\n\r\n\r\n/; $_[0] },
	sub { $_[0] =~ s/ +/  /g; $_[0] },
	sub { $_[0] =~ s/\bbh=(.)/'bh=' . ($1 eq 'A' ? 'B' : 'A')/e; $_[0] },
	sub { $_[0] =~ s/\bb=(.)/'b=' . ($1 eq 'A' ? 'B' : 'A')/e; $_[0] },
	sub { $_[0] =~ s/\ba=rsa-sha256/a=rsa-sha512/; $_[0] },
	sub { $_[0] =~ s/^DKIM-Signature:/DKIM-Signature :/mi; $_[0] },
	sub { $_[0] =~ s/\bs=s/s=none/; $_[0] },
);

sub received {
	my ($from, $helo) = @_;
	my $ip = join('.', 198, 51, 100, 1 + int rand 250);
	return "Return-Path: <bounce\@$from>\r\nReceived: from $helo ($helo [$ip])\r\n\tby mx.example.net (Postfix) with ESMTPS id 4X\r\n"
	  . "\tfor <sue\@example.net>; Fri, 11 Jul 2025 21:00:40 +0200 (CEST)\r\n";
}

for my $n (1 .. $count) {
	my $from = pick(@authors);
	my $m = plain($from, $n);
	my $envelope = $from;
	if (chance(0.75) && $from !~ /invalid/) {
		$m = sign($m, domain => $from);
		$m = sign($m, domain => $from, bits => 2048, shape => 0) if chance(0.1);
	}
	if (chance(0.3)) {
		my $d = pick(@third);
		$m = sign($m, domain => $d);
		$envelope = $d if chance(0.5);
	}
	$m = sign($m, domain => $from, domainkeys => 1) if chance(0.08) && $from !~ /invalid/;
	if (chance(0.2)) {
		my $chain = 'none';
		my $sealers = 1 + int rand 3;
		for my $i (1 .. $sealers) {
			$m = seal($m, pick(@third, 'example.org'), $chain, pick(1024, 2048, 2048));
			$chain = chance(0.9) ? 'pass' : 'fail';
			$m = pick(@damage)->($m) if chance(0.15);
		}
	}
	$m = lines($m);
	$m = pick(@damage)->($m) if chance(0.2);
	$m = received($envelope, "mail.$envelope") . $m if chance(0.9);
	$m =~ s/\r\n/\n/g if chance(0.8);
	open(my $fh, '>', sprintf('%s/%04d.eml', $out, $n)) or die "$out: $!\n";
	print $fh $m;
	close($fh);
}
close($zone);
