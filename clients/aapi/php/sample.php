<?php
// Subscribes two people and reads them from a grid, over the document API. See ../README.md.
declare(strict_types=1);

const NS = 'http://partner.informz.net/aapi/2009/08/';

$service = new SoapClient(__DIR__ . '/../../../wsdl/aapi.wsdl', [
    'location' => getenv('GATEWAYCLIENT_URL') ?: 'http://127.0.0.1:8080/aapi/InformzService.svc',
    'cache_wsdl' => WSDL_CACHE_NONE,  // remove this line in production
    'connection_timeout' => 10,
]);

/** Sends one document; its content is XML, written by us. Answers the inner document. */
function post(SoapClient $service, string $root, string $list, string $content): SimpleXMLElement
{
    $text = fn (string $name, string $otherwise) => htmlspecialchars(getenv($name) ?: $otherwise, ENT_XML1 | ENT_QUOTES);
    $x = "<$root xmlns=\"" . NS . '"><Password>' . $text('GATEWAYCLIENT_PASSWORD', '') . '</Password>'
        . '<Brand id="' . $text('GATEWAYCLIENT_BRAND', '9999') . '">Association</Brand>'
        . '<User>' . $text('GATEWAYCLIENT_USER', 'apiuser') . "</User><$list>$content</$list></$root>";
    $answer = $service->PostInformzMessage(['x' => $x])->PostInformzMessageResult;
    // The answer declares utf-16, as it always did, but has come as UTF-8: leave the declaration out before parsing.
    return simplexml_load_string(preg_replace('/^<\?xml.*?\?>\s*/', '', $answer));
}

/** What a refused call says. */
function said(SoapFault $fault): string
{
    $detail = $fault->detail->InformzServiceFault ?? null;
    return $detail ? "$detail->Code: $detail->Message" : "$fault->faultcode: $fault->faultstring";
}

try {
    $answer = post($service, 'ActionRequest', 'Actions', '<Subscribe><InterestDetails>
        <InterestNames><InterestName>AAPI PHP sample</InterestName></InterestNames>
        <InterestAction>AddOrUpdateSubscribers</InterestAction></InterestDetails><SubscriberData><Subscribers>
        <Subscriber><Email>ann.aapiphp@example.org</Email><ID>9101</ID>
            <Fields><Field element="First_Name">Zoë &amp; Ann</Field></Fields></Subscriber>
        <Subscriber><Email>bo.aapiphp@example.org</Email><ID>9102</ID></Subscriber>
        </Subscribers></SubscriberData></Subscribe>')->Responses->Subscribe;
    echo "{$answer->ActionStatus->Status}: $answer->NewSubscriberCount new\n";

    try {
        post($service, 'ActionRequest', 'Actions', '<Surprise/>');
    } catch (SoapFault $fault) {
        echo 'caught ', said($fault), "\n";
    }

    $grid = post($service, 'GridRequest', 'Grids', '<Grid type="subscriber"><Conditions><Condition><Collection>
        <DataElement>Email</DataElement><DataValue>ann.aapiphp@example.org</DataValue>
        <DataValue>bo.aapiphp@example.org</DataValue><SetOperator>IN</SetOperator></Collection></Condition></Conditions>
        <ReturnFields><DataElement>Email</DataElement><DataElement>user_id</DataElement></ReturnFields>
        <SortField order="asc">Email</SortField></Grid>')->Grids->Grid;
    foreach ($grid->Record as $record) {
        echo "{$record['row']}: {$record->Fields->Field[0]} {$record->Fields->Field[1]}\n";
    }
} catch (SoapFault $fault) {
    fwrite(STDERR, said($fault) . "\n");
    exit(1);
}
