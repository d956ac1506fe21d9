// SPDX-License-Identifier: Apache-2.0
// A list of the API as a table: filter, order and page stand in the address; j, k and Enter move and open;
// Enter in its search field goes to the first row.
import { html, useEffect, useRef, useSignal } from '../core/html.js';
import { get } from '../core/api.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { go, query, setQuery } from '../core/router.js';
import { isStaff, shortcuts } from '../core/store.js';
import { Empty, Loaded, ProblemBox, toast } from './parts.js';

const addressOf = (path, fixed, filters, q) => {
  const params = new URLSearchParams({ limit: '50', ...fixed });
  for (const f of filters) if (q.get(f.name)) params.set(f.name, q.get(f.name));
  if (q.get('q')) params.set('q', q.get('q'));
  if (q.get('sort')) params.set('sort', q.get('sort'));
  return `${path}?${params}`;
};

const shapeOf = (c, folded) => [c.num && 'num', c.under && 'lead', folded.includes(c) && 'fold'].filter(Boolean).join(' ');
const Head = ({ columns, folded, sort }) => html`<thead role="rowgroup"><tr role="row">${columns.map((c) => {
  if (!c.sort) return html`<th role="columnheader" scope="col" class=${shapeOf(c, folded)}>${c.label}</th>`;
  const up = sort === c.sort;
  const down = sort === `-${c.sort}`;
  const next = up ? `-${c.sort}` : down ? null : c.sort;
  return html`<th role="columnheader" scope="col" class=${shapeOf(c, folded)} aria-sort=${up ? 'ascending' : down ? 'descending' : 'none'}><button type="button" onClick=${() => setQuery({ sort: next })}>${c.label}${up ? ' ↑' : down ? ' ↓' : ''}</button></th>`;
})}</tr></thead>`;

const typing = () => ['INPUT', 'TEXTAREA', 'SELECT'].includes(document.activeElement?.tagName || '') || document.querySelector('dialog[open]');

const whose = { label: t('customer'), folds: true, cell: (row) => (row.customer ? html`<a href=${`/app/customers/${row.customer_id}`}>${row.customer.name}</a>` : html`<span class="muted">${t('none')}</span>`) };

/** @param {any} props path, topics, columns [{label, cell(row), sort?, num?, under?, folds?}] (where there is little room, those that fold stand under the one that says so), open(row) -> address, filters [{name, label, options}], search, fixed, empty; order(a, b): of the rows that were read, where the API has none; customers: staff see whose each row is */
export const List = ({ path, topics = [], columns: own, open, order, filters = [], search = true, fixed = {}, empty, onRows, customers = false }) => {
  const q = query();
  const theirs = customers && isStaff.value;
  const columns = theirs ? [own[0], whose, ...own.slice(1)] : own;
  const folded = columns.some((c) => c.under) ? columns.filter((c) => c.folds) : [];
  const address = addressOf(path, theirs ? { ...fixed, expand: 'customer' } : fixed, filters, q);
  const data = useData(address, topics);
  const more = useSignal(/** @type {any[]} */ ([]));
  const cursor = useSignal(/** @type {string|null} */ (null));
  const at = useSignal(-1);
  const body = useRef(/** @type {any} */ (null));
  useEffect(() => { more.value = []; cursor.value = null; at.value = -1; }, [address]);
  const rows = data.data.value ? [...data.data.value.data, ...more.value] : [];
  if (order) rows.sort(order);
  const next = cursor.value ?? (more.value.length ? null : data.data.value?.next_cursor);
  useEffect(() => { onRows?.(rows); });
  useEffect(() => {
    const key = (event) => {
      if (typing() || event.ctrlKey || event.metaKey || event.altKey || shortcuts.value !== 'on') return;
      if (event.key === 'j') at.value = Math.min(at.value + 1, rows.length - 1);
      else if (event.key === 'k') at.value = Math.max(at.value - 1, 0);
      else if (event.key === 'Enter' && at.value >= 0 && open && document.activeElement === document.body) go(open(rows[at.value]));
      else return;
      body.current?.children[at.value]?.scrollIntoView({ block: 'nearest' });
    };
    addEventListener('keydown', key);
    return () => removeEventListener('keydown', key);
  });
  const load = async () => {
    try {
      const page = await get(`${address}&cursor=${encodeURIComponent(next)}`);
      more.value = [...more.value, ...page.data];
      cursor.value = page.has_more ? page.next_cursor : '';
    } catch (problem) {
      toast(problem.message, true);
    }
  };
  return html`<div class="filters" role="search">
    ${search && html`<input type="search" aria-label=${t('search.this')} placeholder=${t('search.this')} value=${q.get('q') || ''} onInput=${(e) => setQuery({ q: e.currentTarget.value.length > 1 ? e.currentTarget.value : null })} onKeyDown=${(e) => { if (e.key === 'Enter' && rows.length) { e.stopPropagation(); e.currentTarget.blur(); at.value = 0; } }}/>`}
    ${filters.map((f) => html`<select aria-label=${f.label} value=${q.get(f.name) || ''} onChange=${(e) => setQuery({ [f.name]: e.currentTarget.value || null })}><option value="">${f.label}: ${t('all')}</option>${f.options.map(([v, text]) => html`<option value=${v} selected=${q.get(f.name) === v}>${text}</option>`)}</select>`)}
    <span class="muted">${data.data.value && t('list.count', { n: rows.length, more: next ? '+' : '' })}</span></div>
  <${Loaded} of=${data}>${() => (rows.length ? html`<div class="scroll" tabindex="0" role="region" aria-label=${t('list')}><table class="cards-small" role="table"><${Head} columns=${columns} folded=${folded} sort=${q.get('sort')}/>
    <tbody role="rowgroup" ref=${body}>${rows.map((row, i) => html`<tr role="row" key=${row.id || i} aria-selected=${i === at.value ? 'true' : undefined}>${columns.map((c) => html`<td role="cell" data-head=${c.label} class=${shapeOf(c, folded)}>${c.cell(row)}${c.under && folded.length > 0 && html`<div class="under muted">${folded.map((f) => [f, f.cell(row)]).filter(([, value]) => value !== '').map(([f, value]) => html`<span><span class="sr">${f.label}: </span>${value}</span>`)}</div>`}</td>`)}</tr>`)}</tbody></table></div>
    ${next && html`<div class="actions"><button type="button" onClick=${load}>${t('list.more')}</button></div>`}` : empty || html`<${Empty} title=${t('empty.title')} text=${q.toString() ? t('empty.filtered') : t('empty.text')}/>`)}</${Loaded}>`;
};
export { ProblemBox };
