#!/usr/bin/perl
# Imports three people, mails to them and prints the report, with SOAP::Lite. See README.md.
use strict;
use warnings;
use utf8;
use SOAP::Lite;

my $INTEREST = 'Perl sample';
my $NAMESPACE = 'urn:gateway:v1';

my $gateway = SOAP::Lite->new(
    proxy      => [$ENV{GATEWAYCLIENT_URL} // 'http://127.0.0.1:8080/soap/v1', timeout => 60],
    default_ns => $NAMESPACE,
    on_action  => sub { '"' . join('/', @_) . '"' },
    on_fault   => sub { die $_[1] },
);
$gateway->autotype(0);    # no xsi:type: the contract says what each element is; but then SOAP::Lite escapes nothing

# An element of the request; several values make several elements of this name.
sub element { my ($name, @values) = @_; return map { SOAP::Data->name($name => SOAP::Utils::encode_data($_)) } @values }
sub group { my ($name, @members) = @_; return SOAP::Data->name($name => \SOAP::Data->value(@members)) }

my $who = SOAP::Header->name(Credentials => \SOAP::Data->value(
    element(brandId  => $ENV{GATEWAYCLIENT_BRAND}    // '9999'),
    element(userName => $ENV{GATEWAYCLIENT_USER}     // 'apiuser'),
    element(password => $ENV{GATEWAYCLIENT_PASSWORD} // ''),
))->attr({xmlns => $NAMESPACE});    # default_ns is for the body alone

# Calls an operation and answers its one result; dies with the answer if it is a fault, with a text if nothing answers.
sub call {
    my ($operation, @members) = @_;
    return $gateway->call($operation => $who, @members)->result;
}

# What a refused call says: the detail is one GatewayFault, unless the fault is not ours.
sub said {
    my ($refused) = @_;
    return "$refused" unless ref $refused;
    my $detail = $refused->faultdetail;
    return $refused->faultcode . ': ' . $refused->faultstring unless ref $detail && $detail->{GatewayFault};
    return "$detail->{GatewayFault}{code}: $detail->{GatewayFault}{message}";
}

sub import_people {
    my $imported = $gateway->call(ImportSubscribers => $who,
        element(mode => 'AddOrUpdate'), element(interest => $INTEREST),
        group(record => element(remoteId => 'perl-1'), element(email => 'ann.perl@example.org'),
            group(field => element(name => 'FirstName'), element(value => 'Zoë & Ann'))),
        group(record => element(remoteId => 'perl-2'), element(email => 'bo.perl@example.org')),
        group(record => element(remoteId => 'perl-3'), element(email => 'not an address')));
    my $answer = $imported->result;
    print "received $answer->{received}, failed $answer->{failed}\n";
    for my $result ($imported->valueof('//answer/result')) {
        print "record $result->{index}: $result->{code}: $result->{message}\n" if $result->{status} eq 'failed';
    }
    return;
}

sub be_refused {
    return if eval { call(GetMailing => element(mailingId => '999999999')); 1 };
    print 'caught ', said($@), "\n";
    return;
}

sub send_mailing {
    my $mailing = call(CreateMailing =>
        element(name => 'Perl sample'), element(subject => 'Hello from Perl'), element(fromAddress => 'news@example.org'),
        element(html => '<p>Dear {{ FirstName | default("member") }}, hello.</p>'), element(interest => $INTEREST));
    my $instance = call(SendMailing => element(mailingId => $mailing->{mailingId}));
    print "mailing $mailing->{mailingId}, instance $instance->{instanceId}\n";
    return $instance->{instanceId};
}

sub report {
    my ($instance) = @_;
    my $deadline = time + 60;
    my ($report, $done);
    do {
        select undef, undef, undef, 0.2;
        $report = call(GetMailingReport => element(instanceId => $instance));
        $done = $report->{targeted} > 0 && $report->{pending} == 0;
    } until $done || time > $deadline;
    print "targeted $report->{targeted}, sent $report->{sent}, delivered $report->{delivered}\n";
    return $done;
}

binmode STDOUT, ':encoding(UTF-8)';
binmode STDERR, ':encoding(UTF-8)';
my $done = eval { import_people(); be_refused(); report(send_mailing()) };
print {*STDERR} said($@), "\n" if $@;
exit($done ? 0 : 1);
