// SPDX-License-Identifier: Apache-2.0
// Addresses. A page is a row of pages/index.js; links are ordinary links, caught here; filters live in the query.
import { path } from './store.js';

export const query = () => new URLSearchParams(path.value.split('?')[1] || '');

export const go = (to, { replace = false } = {}) => {
  if (to === path.value) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', to);
  path.value = to;
  if (!replace) scrollTo(0, 0);
};

/** Set parts of the query; null takes one away. @param {Record<string, string|null>} parts */
export const setQuery = (parts) => {
  const q = query();
  for (const [name, value] of Object.entries(parts)) {
    if (value === null || value === '') q.delete(name);
    else q.set(name, value);
  }
  const text = q.toString();
  go(path.value.split('?')[0] + (text ? `?${text}` : ''), { replace: true });
};

/** Match "/app/vms/:id" against a path. @returns {Record<string, string>|null} */
export const match = (pattern, pathname) => {
  const want = pattern.split('/');
  const have = pathname.split('/');
  if (want.length !== have.length) return null;
  /** @type {Record<string, string>} */
  const found = {};
  for (let i = 0; i < want.length; i += 1) {
    if (want[i].startsWith(':')) found[want[i].slice(1)] = decodeURIComponent(have[i]);
    else if (want[i] !== have[i]) return null;
  }
  return found;
};

addEventListener('popstate', () => { path.value = location.pathname + location.search; });
addEventListener('click', (event) => {
  const a = /** @type {Element} */ (event.target).closest?.('a[href]');
  if (!(a instanceof HTMLAnchorElement) || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (a.origin !== location.origin || !a.pathname.startsWith('/app') || a.target || a.download) return;
  event.preventDefault();
  go(a.pathname + a.search);
});
