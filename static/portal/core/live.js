// SPDX-License-Identifier: Apache-2.0
// The page's end of the event stream, and data that keeps itself fresh by it.
import { signal, useEffect, useSignal, useMemo } from './html.js';
import { get } from './api.js';

export const connection = signal('connecting'); // connecting, live, lost, signed-out
export const lostAt = signal(0); // since when what is shown is not kept up to date
export const caughtUp = signal(/** @type {{ count: number }|null} */ (null));
const listeners = new Set();

const here = new URL('./live-worker.js', import.meta.url);
const policy = window.trustedTypes?.createPolicy('understudy', {
  createScriptURL: (url) => { if (url !== here.href) throw new Error('not ours'); return url; },
});
const address = () => (policy ? policy.createScriptURL(here.href) : here.href);

const hear = (message) => {
  const m = message.data;
  if (m.kind === 'state') {
    const begun = m.state === 'live' && connection.value !== 'live';
    if (m.state === 'lost' && connection.value !== 'lost') lostAt.value = Date.now();
    connection.value = m.state;
    // what was read before the stream was there may have changed unheard: read again
    if (begun) for (const l of listeners) l(null);
  }
  if (m.kind === 'caught-up') caughtUp.value = { count: m.count };
  if (m.kind === 'event') for (const l of listeners) l(m);
};

let port = null;
export const startLive = () => {
  if (!port) {
    if (window.SharedWorker) {
      port = new SharedWorker(address(), { type: 'module', name: 'understudy' }).port;
      addEventListener('pagehide', () => port.postMessage('leave'));
    } else {
      port = new Worker(address(), { type: 'module' });
    }
    port.onmessage = hear;
  }
  port.postMessage('start');
};

/** Call `hear` for each event whose type begins with one of `topics` ("ticket."), and with null after a gap.
 * @param {string[]} topics @param {(m: any) => void} heard */
export const listen = (topics, heard) => {
  const l = (m) => { if (!m || topics.some((p) => m.type.startsWith(p))) heard(m); };
  listeners.add(l);
  return () => listeners.delete(l);
};

const MOST = 1000;
const withRest = async (path, answer, options) => {
  const data = [...answer.data];
  let page = answer;
  while (page.has_more && data.length < MOST) {
    page = await get(`${path}&cursor=${encodeURIComponent(page.next_cursor)}`, options);
    data.push(...page.data);
  }
  return { ...answer, data, has_more: page.has_more };
};

/**
 * Data of a GET, read again when an event of `topics` comes (at most twice a second). Returns signals: data, problem,
 * at (when it was read), and a function to read it now. With `all` the pages of a list that follow are read, too, up to
 * MOST rows; has_more says then whether that was not enough.
 * @template {string} P @param {P|null} path @param {string[]} topics @param {{ all?: boolean }} options
 */
export const useData = (path, topics = [], { all = false } = {}) => {
  const data = useSignal(/** @type {import('answers').Answer<P, 'get'>|undefined} */ (undefined));
  const problem = useSignal(/** @type {any} */ (null));
  const at = useSignal(0);
  const box = useMemo(() => ({ timer: 0, stop: null, path: /** @type {string|null} */ (null), thing: '', again: false }), []);
  box.path = path;
  // One request at a time: who types quickly makes the newest address the next one, and none is broken off half done.
  const reload = async () => {
    const wanted = box.path;
    if (!wanted) return;
    if (box.stop) { box.again = true; return; }
    const stop = new AbortController();
    box.stop = stop;
    box.again = false;
    try {
      const first = await get(/** @type {P} */ (wanted), { signal: stop.signal });
      const answer = all ? /** @type {any} */ (await withRest(wanted, first, { signal: stop.signal })) : first;
      if (stop.signal.aborted) return;
      if (wanted === box.path) {
        data.value = answer;
        problem.value = null;
        at.value = Date.now();
      }
    } catch (error) {
      if (!stop.signal.aborted && wanted === box.path) problem.value = error;
    }
    if (box.stop !== stop) return;
    box.stop = null;
    if (box.again || wanted !== box.path) reload();
  };
  const leave = () => { box.stop?.abort(); box.stop = null; };
  const soon = () => {
    if (box.timer) return;
    box.timer = window.setTimeout(() => { box.timer = 0; reload(); }, 300);
  };
  useEffect(() => leave, []);
  useEffect(() => {
    // another filter of the same list leaves its rows until the new ones are there
    const thing = (path || '').split('?')[0];
    if (thing !== box.thing) {
      leave();
      data.value = undefined;
    }
    box.thing = thing;
    reload();
    const end = topics.length ? listen(topics, soon) : () => {};
    return () => { end(); clearTimeout(box.timer); box.timer = 0; };
  }, [path]);
  return { data, problem, at, reload };
};
