// A real OpenID provider on loopback for the tests: oidc-provider (certified), one client, a log-in
// page that believes whatever name is typed, and lies on order, signed with its own key or another.
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import Provider from 'oidc-provider';

const { PORT, ISSUER, SECRET, BACK } = process.env;
const fresh = () => ({
  // What the next log-in says of its means, and claims to change or leave out afterwards.
  acr: '', amr: ['pwd'], claims: {}, without: [], alg: '', foreign: false, down: false,
});
let state = fresh();
const requests = [];

const ours = await generateKeyPair('RS256', { extractable: true });
const other = await generateKeyPair('RS256', { extractable: true });
const jwk = { ...(await exportJWK(ours.privateKey)), kid: 'ours', alg: 'RS256', use: 'sig' };

const provider = new Provider(ISSUER, {
  clients: [{
    client_id: 'desk', client_secret: SECRET, redirect_uris: [BACK], grant_types: ['authorization_code'],
    response_types: ['code'],
  }, {
    client_id: 'another', client_secret: SECRET, redirect_uris: [BACK], grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  jwks: { keys: [jwk] },
  cookies: { keys: [SECRET] },
  acrValues: ['urn:test:strong'],
  claims: { openid: ['sub'], acr: null, auth_time: null },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId,
    });
    grant.addOIDCScope('openid');
    await grant.save();
    return grant;
  },
});

// Adds `amr` to the id token, which the package keeps to itself, and the lies that were ordered:
// what a provider gone wrong or somebody in between would say.
provider.use(async (ctx, next) => {
  await next();
  if (ctx.path !== '/token' || !ctx.body?.id_token) return;
  const claims = JSON.parse(Buffer.from(ctx.body.id_token.split('.')[1], 'base64url'));
  Object.assign(claims, { amr: state.amr }, state.claims);
  for (const name of state.without) delete claims[name];
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  if (state.alg === 'none') {
    ctx.body.id_token = `${part({ alg: 'none' })}.${part(claims)}.`;
  } else if (state.alg === 'HS256') {
    const key = new TextEncoder().encode(SECRET.padEnd(32, '0'));
    ctx.body.id_token = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key);
  } else {
    const key = (state.foreign ? other : ours).privateKey;
    const header = { alg: 'RS256', kid: 'ours' };
    ctx.body.id_token = await new SignJWT(claims).setProtectedHeader(header).sign(key);
  }
});

const read = async (request) => {
  let text = '';
  for await (const part of request) text += part;
  return text;
};
const page = (uid) => `<!doctype html><title>Harbour Hospital</title><h1>Harbour Hospital</h1>
<form method="post" action="/interaction/${uid}"><label>Name <input name="account" autofocus></label>
<button>Log in</button> <button name="cancel" value="yes">Cancel</button></form>`;

async function interact(request, response) {
  if (request.method === 'GET') {
    response.setHeader('Content-Type', 'text/html');
    return response.end(page(request.url.split('/').pop()));
  }
  const form = new URLSearchParams(await read(request));
  const login = { accountId: form.get('account'), ...(state.acr && { acr: state.acr }) };
  const result = form.get('cancel')
    ? { error: 'access_denied', error_description: 'Cancelled.' } : { login };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

async function control(request, response) {
  if (request.method === 'POST') state = { ...fresh(), ...JSON.parse(await read(request)) };
  response.end(JSON.stringify({ ...state, requests }));
}

const answer = provider.callback();
createServer(async (request, response) => {
  if (request.url === '/control') return control(request, response);
  requests.push(`${request.method} ${request.url.split('?')[0]}`);
  if (state.down) return response.writeHead(503).end();
  if (request.url.startsWith('/interaction/')) return interact(request, response);
  return answer(request, response);
}).listen(Number(PORT), '127.0.0.1');
