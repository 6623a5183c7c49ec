// A receiver of webhooks that shares no code with the worker: makes its key, verifies each webhook by Node's own crypto and
// by the Members API's SDK, and prints what it says to each, or why it is not believed. Answers 200 to the second try of
// each, so that two can be compared.
// Usage: webhook.mjs KEY_FILE     the private half of a new key is written there; the first line is the receiver's URL
import { generateKeyPairSync, verify } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { given } from './members-sdk.mjs';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
writeFileSync(process.argv[2], privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });

const parsed = (part) => JSON.parse(Buffer.from(part, 'base64url'));
const packed = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function read(token) {
  const [header, claims, signature, ...more] = token.split('.');
  const { alg } = parsed(header);
  if (alg !== 'RS256' || more.length > 0) throw new Error(`no token by RS256: ${alg}`);
  const signed = Buffer.from(`${header}.${claims}`);
  if (!verify('RSA-SHA256', signed, publicKey, Buffer.from(signature, 'base64url'))) throw new Error('not signed by the key');
  const { data, iat, exp } = parsed(claims);
  const now = Date.now() / 1000;
  if (!(iat <= now + 5 && now < exp)) throw new Error(`good from ${iat} to ${exp}, and it is ${now}`);
  const { data: event, identity = 'null', ...said } = JSON.parse(data);
  return { ...said, data: JSON.parse(event), identity: JSON.parse(identity) };
}

const pem = publicKey.export({ type: 'spki', format: 'pem' });
const bySdk = (token) => given(pem, (webhooks) => webhooks.process(token));

// What is changed must not be believed any more: else the checks above are worth nothing.
function changed(token) {
  const [header, claims, signature] = token.split('.');
  const later = packed({ ...parsed(claims), exp: parsed(claims).exp + 1 });
  return [`${header}.${later}.${signature}`, `${packed({ ...parsed(header), alg: 'none' })}.${claims}.`];
}

function outcome(token) {
  try {
    return read(token);
  } catch (error) {
    return { refused: error.message };
  }
}

const isBelieved = async (token) => [outcome(token), await bySdk(token)].some((read) => !('refused' in read));

const seen = new Set();
const server = createServer(async (request, response) => {
  let token = '';
  for await (const chunk of request) token += chunk;
  const again = seen.has(token);
  seen.add(token);
  const forged = (await Promise.all(changed(token).map(isBelieved))).includes(true) ? 'believed' : 'refused';
  const type = request.headers['content-type'];
  console.log(JSON.stringify({ ...outcome(token), again, forged, type, sdk: await bySdk(token) }));
  response.writeHead(again ? 200 : 503).end();
});
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/hooks`));
