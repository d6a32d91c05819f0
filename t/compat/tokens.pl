#!/usr/bin/perl -T
# tokens.pl [--cf LINE] FILE...: the tokens that the installed SpamAssassin learns of messages, one a line, sorted,
# after a line "== FILE ID,ID ATIME"; what t/compat/tokens prints of ours.  See t/compat/tokens-compare.
use strict;
use warnings;
BEGIN { $ENV{PATH} = '/usr/bin:/bin'; delete @ENV{qw(IFS CDPATH ENV BASH_ENV)}; }
use Mail::SpamAssassin;
use Mail::SpamAssassin::PerMsgStatus;

my $cf = '';
while (@ARGV && $ARGV[0] eq '--cf') { shift; my $line = shift; $line =~ /^(.*)$/s; $cf .= "$1\n"; }
my $sa = Mail::SpamAssassin->new({
	rules_filename => undef, local_tests_only => 1, dont_copy_prefs => 1, userprefs_filename => '/dev/null',
	post_config_text => "bayes_path /nonexistent/bayes\n$cf",
});
$sa->init(1);
my ($bayes) = grep { $_->isa('Mail::SpamAssassin::Plugin::Bayes') } @{$sa->{plugins}->{plugins}};
for my $file (@ARGV) {
	$file =~ /^(.*)$/s;
	open(my $in, '<', $1) or die "$file: $!";
	binmode $in;
	my @lines = <$in>;
	close $in;
	my $msg = $sa->parse(\@lines);
	if ($msg->get_header('X-Spam-Checker-Version')) {
		$msg = $sa->parse($sa->remove_spamassassin_markup($msg), 1);
	}
	my $data = $bayes->get_body_from_msg($msg);
	my $tokens = $bayes->tokenize($msg, $data);
	my $id = $msg->get_msgid();
	print "== $file ", $msg->generate_msgid(), ',', defined $id ? $id : '', ' ', $msg->receive_date(), "\n";
	for my $token (sort values %$tokens) {
		utf8::encode($token) if utf8::is_utf8($token) && !utf8::downgrade($token, 1);
		$token =~ s/([^\x21-\x7e]|\\)/sprintf '\\x%02x', ord $1/ge;
		print "$token\n";
	}
	$msg->finish();
}
