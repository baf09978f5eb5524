# Posts each argument but the first (the address), a document, with SOAP::Lite.
use strict;
use warnings;
use SOAP::Lite;
my ($url, @documents) = @ARGV;
my $namespace = 'http://partner.informz.net/aapi/2009/08/';
my $service = SOAP::Lite->new(proxy => $url, default_ns => $namespace,
    on_action => sub { qq("${namespace}IInformzWebServiceContract/$_[1]") }, on_fault => sub { $_[1] });
for my $x (@documents) {
    utf8::decode($x);
    my $answer = $service->call(PostInformzMessage => SOAP::Data->name(x => $x)->type('string'));
    die "$answer\n" unless ref $answer;
    binmode STDOUT, ':encoding(UTF-8)';
    print $answer->fault ? 'fault ' . $answer->faultdetail->{InformzServiceFault}{Code} : $answer->result, "\n";
}
