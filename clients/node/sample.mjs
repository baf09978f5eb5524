// Imports three people, mails to them and prints the report, with the package soap. See README.md.
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import soap from 'soap';

const INTEREST = 'Node sample';
const { GATEWAYCLIENT_URL, GATEWAYCLIENT_BRAND, GATEWAYCLIENT_USER, GATEWAYCLIENT_PASSWORD } = process.env;
const WSDL = fileURLToPath(new URL('../../wsdl/gateway-v1.wsdl', import.meta.url));

const client = await soap.createClientAsync(WSDL, { disableCache: true });
client.setEndpoint(GATEWAYCLIENT_URL ?? 'http://127.0.0.1:8080/soap/v1');
client.addSoapHeader({ 'tns:Credentials': {
  'tns:brandId': GATEWAYCLIENT_BRAND ?? '9999',
  'tns:userName': GATEWAYCLIENT_USER ?? 'apiuser',
  'tns:password': GATEWAYCLIENT_PASSWORD ?? '',
} }, '', 'tns', 'urn:gateway:v1');

/** Calls an operation; the answer is the first item of what the package resolves to. */
const call = async (operation, request) => (await client[`${operation}Async`](request))[0].answer;

/** What a refused call says: the detail is one GatewayFault, unless the error is not a fault of ours. */
function said(error) {
  const detail = error.root?.Envelope.Body.Fault?.detail?.GatewayFault;
  return detail ? `${detail.code}: ${detail.message}` : error.message;
}

try {
  const imported = await call('ImportSubscribers', { mode: 'AddOrUpdate', interest: [INTEREST], record: [
    { remoteId: 'node-1', email: 'ann.node@example.org', field: [{ name: 'FirstName', value: 'Zoë & Ann' }] },
    { remoteId: 'node-2', email: 'bo.node@example.org' },
    { remoteId: 'node-3', email: 'not an address' },
  ] });
  console.log(`received ${imported.received}, failed ${imported.failed}`);
  for (const result of imported.result) {
    if (result.status === 'failed') console.log(`record ${result.index}: ${result.code}: ${result.message}`);
  }

  try {
    await call('GetMailing', { mailingId: '999999999' });
  } catch (error) {
    console.log(`caught ${said(error)}`);
  }

  const mailing = await call('CreateMailing', {
    name: 'Node sample', subject: 'Hello from Node', fromAddress: 'news@example.org',
    html: '<p>Dear {{ FirstName | default("member") }}, hello.</p>', interest: [INTEREST],
  });
  const instance = await call('SendMailing', { mailingId: mailing.mailingId });
  console.log(`mailing ${mailing.mailingId}, instance ${instance.instanceId}`);

  const deadline = Date.now() + 60_000;
  let report, done;
  do {
    await pause(200);
    report = await call('GetMailingReport', { instanceId: instance.instanceId });
    done = report.targeted > 0 && report.pending === 0;
  } while (!done && Date.now() < deadline);
  console.log(`targeted ${report.targeted}, sent ${report.sent}, delivered ${report.delivered}`);
  process.exitCode = done ? 0 : 1;
} catch (error) {
  console.error(said(error));
  process.exitCode = 1;
}
