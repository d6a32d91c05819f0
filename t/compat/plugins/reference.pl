#!/usr/bin/perl
# What the installed reference makes of messages with a given configuration: one JSON object a message, of its
# X-Spam- header lines as rewritten.  usage: reference.pl SITE_DIR RULES_DIR MESSAGE ...
use strict;
use warnings;
use JSON::PP;
use Mail::SpamAssassin;

my ($site, $rules, @files) = @ARGV;
my $json = JSON::PP->new->ascii->canonical;
my $sa = Mail::SpamAssassin->new({
  site_rules_filename => $site, rules_filename => $rules, local_tests_only => 1, dont_copy_prefs => 1,
  userprefs_filename => '/dev/null', userstate_dir => '/nonexistent', username => 'nobody',
});
$sa->init(0);
$| = 1;
for my $file (@files) {
  # Scores given at run time stay in the reference's configuration: every message has a process of its own.
  my $pid = fork();
  if ($pid == 0) {
    open my $fh, '<', $file or die "$file: $!\n";
    my $text = join('', <$fh>);
    my $msg = $sa->parse($text);
    my $status = $sa->check($msg);
    my ($head) = split(/\r?\n\r?\n/, $status->rewrite_mail(), 2);
    utf8::encode($head) if utf8::is_utf8($head);
    $head =~ s/\r//g;
    $head =~ s/\n[ \t]+/ /g;
    my %found;
    for (split /\n/, $head) { $found{$1} = $2 if /^X-Spam-(?!Checker)([\w-]+):\s?(.*)/ && !exists $found{$1} }
    print $json->encode({file => $file, headers => \%found}), "\n";
    require POSIX;
    POSIX::_exit(0);
  }
  waitpid($pid, 0);
}
