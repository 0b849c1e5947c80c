#!/usr/bin/perl
# A Bot API that knows its bot, on port 8081 of loopback. Each line of /run/telegram-updates is a message to the bot in
# the private chat 7; /run/telegram-sent gets what the bot sends.
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
    my $updates = '[]';
    if ($method eq 'getupdates') {
        my ($offset) = $body =~ /"offset":(\d+)/;
        $updates = updates($offset // 0);
    } elsif ($method =~ /^(send|edit)/ and open my $sent, '>>', '/run/telegram-sent') {
        print $sent "$method $body\n";
    }
    my $result = $method eq 'getme'
        ? '{"id":42,"is_bot":true,"first_name":"Probes","username":"probes_bot","can_join_groups":true,'
            . '"can_read_all_group_messages":false,"supports_inline_queries":false,"has_main_web_app":false,'
            . '"can_connect_to_business":false}'
        : $method eq 'getupdates' ? $updates
        : $method =~ /^send(rich)?message$/ ? '{"message_id":1,"date":1,"chat":{"id":7,"type":"private"}}'
        : $method eq 'getwebhookinfo' ? '{"url":"","has_custom_certificate":false,"pending_update_count":0}'
        : 'true';
    my $answer = "{\"ok\":true,\"result\":$result}";
    print $client "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
        . 'content-length: ' . length($answer) . "\r\n\r\n$answer";
    exit;
}

# The messages from this number on, as soon as there are any, or after 20 seconds.
sub updates {
    my ($offset) = @_;
    for (1 .. 40) {
        if (open my $lines, '<', '/run/telegram-updates') {
            my @lines = <$lines>;
            my @new = grep { $_ >= $offset } 1 .. @lines;
            return '[' . join(',', map { update($_, $lines[$_ - 1]) } @new) . ']' if @new;
        }
        select undef, undef, undef, 0.5;
    }
    return '[]';
}

sub update {
    my ($number, $text) = @_;
    chomp $text;
    my $date = time;
    my $entities = $text =~ m{^(/\w+)} ? ',"entities":[{"type":"bot_command","offset":0,"length":' . length($1) . '}]' : '';
    return "{\"update_id\":$number,\"message\":{\"message_id\":$number,\"date\":$date,"
        . '"chat":{"id":7,"type":"private","first_name":"Owner"},"from":{"id":7,"is_bot":false,"first_name":"Owner"},'
        . "\"text\":\"$text\"$entities}}";
}
