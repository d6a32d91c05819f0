#!/usr/bin/perl
# dump-rules.pl - what the installed reference matches: its regex rules, and the texts it matches them on
#
#	dump-rules.pl RULES.tsv ITEMS.bin MESSAGE...
#
# RULES.tsv, one rule a line: group, kind, name, header accessor or -, neg (0, 1), tflags or -, pattern as compiled in
# hexadecimal ("(?mods)re", replace_tags filled in), if-unset text in hexadecimal or -.  Groups: 0 body, 1 rawbody,
# 2 uri, 3 full, 4... one for each header accessor.
# ITEMS.bin, one record a message: for each group a 32 bit count and that many items, each a 32 bit length and bytes;
# length 0xffffffff: header not there.  Numbers are little-endian.
use strict;
use warnings;
use Mail::SpamAssassin;
use Mail::SpamAssassin::PerMsgStatus;

my ($rules, $items, @files) = @ARGV;
die "usage: dump-rules.pl RULES.tsv ITEMS.bin MESSAGE...\n" unless defined $items;
my $sa = Mail::SpamAssassin->new({
	local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
	userstate_dir => '/tmp/dump-rules.state', site_rules_filename => '/etc/spamassassin',
	rules_filename => (grep { -d } '/var/lib/spamassassin/4.000001', '/usr/share/spamassassin')[0],
});
$sa->init(0);
my $c = $sa->{conf};
my (%group, @headers);

sub text_of
{
	my $s = "$_[0]";
	my $m = '';
	$s =~ s/^\(\?\^([a-z]*):(.*)\)\z/$2/s and $m = $1;
	$m =~ s/aa//;
	$m =~ s/u//;
	return $m eq '' ? $s : "(?$m)$s";
}

open my $r, '>', $rules or die "$rules: $!\n";
sub rule
{
	my ($g, $kind, $name, $header) = @_;
	my $pat = text_of($c->{test_qrs}{$name});
	utf8::encode($pat) if utf8::is_utf8($pat) && !utf8::downgrade($pat, 1);
	my $unset = $c->{test_opt_unset}{$name};
	print $r join("\t", $g, $kind, $name, $header, $c->{test_opt_neg}{$name} ? 1 : 0, $c->{tflags}{$name} // '-',
		unpack('H*', $pat), defined $unset ? unpack('H*', $unset) : '-'), "\n";
}

my $n = 0;
for my $kind (qw(body rawbody uri full)) {
	my $t = $c->{"${kind}_tests"};
	for my $p (sort { $a <=> $b } keys %$t) {
		rule($n, $kind, $_, '-') for grep { $c->{test_qrs}{$_} } sort keys %{ $t->{$p} };
	}
	$n++;
}
for my $p (sort { $a <=> $b } keys %{ $c->{head_tests} }) {
	for my $name (sort keys %{ $c->{head_tests}{$p} }) {
		next unless $c->{test_qrs}{$name};
		my $h = $c->{test_opt_header}{$name};
		$group{$h} //= (push(@headers, $h), $n++)[1];
		rule($group{$h}, 'header', $name, $h);
	}
}
close $r;

open my $o, '>', $items or die "$items: $!\n";
binmode $o;
sub put
{
	print $o pack('V', scalar @_);
	for my $i (@_) {
		if (!defined $i) {
			print $o pack('V', 0xffffffff);
			next;
		}
		my $s = $i;
		utf8::encode($s) if utf8::is_utf8($s);
		print $o pack('V', length $s), $s;
	}
}

for my $f (@files) {
	open my $in, '<:raw', $f or die "$f: $!\n";
	my $msg = $sa->parse(do { local $/; <$in> }, 1);
	my $pms = Mail::SpamAssassin::PerMsgStatus->new($sa, $msg);
	$pms->extract_message_metadata();
	put(@{ $pms->get_decoded_stripped_body_text_array() });
	put(@{ $pms->get_decoded_body_text_array() });
	put(sort $pms->get_uri_list());
	put($msg->get_pristine());
	for my $h (@headers) {
		my @v = $pms->get($h);
		put(@v ? join($v[0] =~ /\n\z/ ? '' : "\n", @v) : undef);
	}
	$pms->finish();
	$msg->finish();
}
close $o;
