#!/usr/bin/perl
# A Bot API that knows its bot and has no news for it, on port 8081 of loopback.
use strict;
use warnings;
use IO::Socket::INET;

$SIG{CHLD} = 'IGNORE';
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 8081, Listen => 16, ReuseAddr => 1)
    or die "cannot listen: $!";
while (1) {
    my $client = $server->accept or next;
    next if fork;
    close $server;
    my ($method, $length) = ('', 0);
    while (defined(my $line = <$client>)) {
        $line =~ s/\r?\n$//;
        last if $line eq '';
        $method = $1 if $line =~ m{^\w+ /bot[^/]+/(\w+)};
        $length = $1 if $line =~ /^content-length:\s*(\d+)/i;
    }
    read $client, my $body, $length if $length;
    $method = lc $method;
    sleep 20 if $method eq 'getupdates';
    my $result = $method eq 'getme'
        ? '{"id":42,"is_bot":true,"first_name":"Probes","username":"probes_bot","can_join_groups":true,'
            . '"can_read_all_group_messages":false,"supports_inline_queries":false,"has_main_web_app":false,'
            . '"can_connect_to_business":false}'
        : $method eq 'getupdates' ? '[]'
        : $method eq 'getwebhookinfo' ? '{"url":"","has_custom_certificate":false,"pending_update_count":0}'
        : 'true';
    my $answer = "{\"ok\":true,\"result\":$result}";
    print $client "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
        . 'content-length: ' . length($answer) . "\r\n\r\n$answer";
    exit;
}
