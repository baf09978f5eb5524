<?php
// Imports three people, mails to them and prints the report, with PHP's own SoapClient. See README.md.
declare(strict_types=1);

const INTEREST = 'PHP sample';

$url = getenv('GATEWAYCLIENT_URL') ?: 'http://127.0.0.1:8080/soap/v1';
$gateway = new SoapClient(__DIR__ . '/../../wsdl/gateway-v1.wsdl', [
    'location' => $url,
    'soap_version' => SOAP_1_1,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS,  // else a list of one item is not a list
    'cache_wsdl' => WSDL_CACHE_NONE,           // remove this line in production
    'connection_timeout' => 10,
]);
$gateway->__setSoapHeaders(new SoapHeader('urn:gateway:v1', 'Credentials', [
    'brandId' => getenv('GATEWAYCLIENT_BRAND') ?: '9999',
    'userName' => getenv('GATEWAYCLIENT_USER') ?: 'apiuser',
    'password' => getenv('GATEWAYCLIENT_PASSWORD') ?: '',
]));

/** What a refused call says: the detail is one GatewayFault, unless the fault is not ours. */
function said(SoapFault $fault): string
{
    $detail = $fault->detail->GatewayFault ?? null;
    return $detail ? "$detail->code: $detail->message" : "$fault->faultcode: $fault->faultstring";
}

try {
    $imported = $gateway->ImportSubscribers(['mode' => 'AddOrUpdate', 'interest' => [INTEREST], 'record' => [
        ['remoteId' => 'php-1', 'email' => 'ann.php@example.org',
            'field' => [['name' => 'FirstName', 'value' => 'Zoë & Ann']]],
        ['remoteId' => 'php-2', 'email' => 'bo.php@example.org'],
        ['remoteId' => 'php-3', 'email' => 'not an address'],
    ]])->answer;
    echo "received $imported->received, failed $imported->failed\n";
    foreach ($imported->result as $result) {
        if ($result->status === 'failed') {
            echo "record $result->index: $result->code: $result->message\n";
        }
    }

    try {
        $gateway->GetMailing(['mailingId' => '999999999']);
    } catch (SoapFault $fault) {
        echo 'caught ', said($fault), "\n";
    }

    $mailing = $gateway->CreateMailing([
        'name' => 'PHP sample', 'subject' => 'Hello from PHP', 'fromAddress' => 'news@example.org',
        'html' => '<p>Dear {{ FirstName | default("member") }}, hello.</p>', 'interest' => [INTEREST],
    ])->answer;
    $instance = $gateway->SendMailing(['mailingId' => $mailing->mailingId])->answer;
    echo "mailing $mailing->mailingId, instance $instance->instanceId\n";

    $deadline = time() + 60;
    do {
        usleep(200_000);
        $report = $gateway->GetMailingReport(['instanceId' => $instance->instanceId])->answer;
        $done = $report->targeted > 0 && $report->pending === 0;
    } while (!$done && time() < $deadline);
    echo "targeted $report->targeted, sent $report->sent, delivered $report->delivered\n";
    exit($done ? 0 : 1);
} catch (SoapFault $fault) {
    fwrite(STDERR, said($fault) . "\n");
    exit(1);
}
