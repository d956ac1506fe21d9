// SPDX-License-Identifier: Apache-2.0
// Calls of the API. A call resolves with the answer's body or throws a Problem; what the server says of the problem is
// what the person reads. A change carries an Idempotency-Key, so that sending it again makes it no second time.
import { me } from './store.js';
import { changing, settled } from './turn.js';

export class Problem extends Error {
  /** @param {any} body @param {number} status */
  constructor(body, status) {
    super(body.detail || body.title || String(status));
    this.status = status;
    this.code = body.code || 'unavailable';
    this.title = body.title || '';
    this.remedy = body.remedy || '';
    this.fields = Object.fromEntries((body.errors || []).map((e) => [e.pointer.slice(1), e.detail]));
    this.retryable = Boolean(body.retryable);
    this.requestId = body.request_id || '';
  }
}

export const newKey = () => crypto.randomUUID();
const csrf = () => localStorage.getItem('us.csrf') || '';

const headersFor = (method, body, options) => {
  const headers = { Accept: 'application/json' };
  if (options.file) headers['Content-Type'] = body.type || 'application/octet-stream';
  else if (body !== undefined) headers['Content-Type'] = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  if (method !== 'GET') headers['X-CSRF-Token'] = csrf();
  if (method === 'POST') headers['Idempotency-Key'] = options.key || newKey();
  if (options.match !== undefined) headers['If-Match'] = `"v${options.match}"`;
  return headers;
};

// Somebody who can confirm who they are: set by the step-up dialog. Resolves true when it was done.
export const confirmer = { ask: async () => false };

const read = async (response) => {
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : {};
  } catch {
    return { detail: `The server answered ${response.status} with something that is not JSON.` };
  }
};

/** @param {string} method @param {string} path @param {any} [body] @param {any} [options] @returns {Promise<any>} */
export const call = async (method, path, body, options = {}) => {
  /** @type {RequestInit} */
  const request = { method, credentials: 'same-origin', headers: headersFor(method, body, options), signal: options.signal };
  if (body !== undefined) request.body = options.file ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, request);
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem({ code: 'unreachable', detail: 'The server cannot be reached.', retryable: true }, 0);
  }
  if (response.status === 204) return null;
  const answer = await read(response);
  if (response.ok) return answer;
  const problem = new Problem(answer, response.status);
  if (problem.code === 'unauthenticated' && me.value && !options.anew) {
    await settled(); // the secret may have changed since it was sent; nothing was done, so it is sent anew
    return call(method, path, body, { ...options, anew: true });
  }
  if (problem.code === 'unauthenticated' && me.value) me.value = null;
  if (problem.code === 'step_up_required' && !options.again && await confirmer.ask()) {
    return call(method, path, body, { ...options, again: true, key: newKey() });
  }
  throw problem;
};

/**
 * @template {string} P
 * @param {P} path @param {any} [options] @returns {Promise<import('answers').Answer<P, 'get'>>}
 */
export const get = (path, options) => call('GET', path, undefined, options);
/**
 * @template {string} P
 * @param {P} path @param {any} [body] @param {any} [options] @returns {Promise<import('answers').Answer<P, 'post'>>}
 */
export const post = (path, body = {}, options) => call('POST', path, body, options);
/**
 * @template {string} P
 * @param {P} path @param {any} body @param {number} [match] @returns {Promise<import('answers').Answer<P, 'patch'>>}
 */
export const patch = (path, body, match) => call('PATCH', path, body, { match });
/** Send a file as it is. @param {string} path @param {File} file @param {any} [options] */
export const upload = (path, file, options) => call('POST', path, file, { ...options, file: true });
export const remove = (path, match) => call('DELETE', path, undefined, match === undefined ? {} : { match });

/** All pages of a list, at most `most` rows. @param {string} path */
export const all = async (path, most = 1000) => {
  const rows = [];
  let next = path + (path.includes('?') ? '&' : '?') + 'limit=200';
  while (next && rows.length < most) {
    const page = await get(next);
    rows.push(...page.data);
    next = page.has_more ? `${path}${path.includes('?') ? '&' : '?'}limit=200&cursor=${encodeURIComponent(page.next_cursor)}` : '';
  }
  return rows;
};

export const signIn = async (body) => {
  const session = await call('POST', '/v1/sessions', body);
  localStorage.setItem('us.csrf', session.csrf_token);
  return session;
};
export const signOut = async () => {
  await call('DELETE', '/v1/sessions/current');
  localStorage.removeItem('us.csrf');
  me.value = null;
};
/** Confirm who one is; the session gets a new secret with it. @param {{password: string, totp?: string}} body */
export const stepUp = (body) => changing(() => call('POST', '/v1/me/step-up', body, { anew: true }));
