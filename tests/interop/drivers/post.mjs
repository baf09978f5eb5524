// Posts each argument but the first three (package, WSDL, address), a document, with the package soap.
import { createRequire } from 'node:module';
const [home, wsdl, url, ...documents] = process.argv.slice(2);
const soap = createRequire(home)('soap');
const client = await soap.createClientAsync(wsdl, {}, url);
for (const x of documents) {
  try {
    console.log((await client.PostInformzMessageAsync({ x }))[0].PostInformzMessageResult);
  } catch (error) {
    console.log(`fault ${error.root.Envelope.Body.Fault.detail.InformzServiceFault.Code}`);
  }
}
