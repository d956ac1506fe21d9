// SPDX-License-Identifier: Apache-2.0
// Runs: all of them, one, and the tests among them by day.
import { html, useSignal } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { mayAsk } from '../core/store.js';
import { Calendar } from '../draw/calendar.js';
import { List } from '../ui/list.js';
import { Ago, Empty, Loaded, Panel, State, When } from '../ui/parts.js';
import { Run, title, what } from './run.js';
import { dayKey, duration } from '../core/time.js';

export const columns = [
  { label: t('kind'), under: true, cell: (f) => html`<a href=${`/app/failovers/${f.id}`}>${title(f)}</a>` }, { label: t('state'), cell: (f) => html`<${State} value=${f.state}/>` }, { label: t('reason'), folds: true, cell: (f) => word('reason', f.reason_code) },
  { label: t('started'), cell: (f) => (f.started_at ? html`<${When} at=${f.started_at}/>` : html`<span class="muted">${t('not-started')}</span>`) }, { label: t('ended'), cell: (f) => (f.ended_at ? html`<${Ago} at=${f.ended_at}/>` : '') }, { label: t('verdict'), cell: (f) => (f.verdict ? html`<${State} value=${f.verdict}/>` : '') }];
export const Failovers = () => html`<div class="bar"><h1>${t('page.failovers')}</h1>${mayAsk() && html`<a class="button primary" href="/app/request">${t('request.button')}</a>`}</div><${List} path="/v1/failovers" customers search=${false} fixed=${{ sort: '-created_at' }} topics=${['failover.']} open=${(f) => `/app/failovers/${f.id}`} filters=${[{ name: 'kind', label: t('kind'), options: ['test', 'planned', 'unplanned'].map((k) => [k, t(`kind.${k}.title`)]) }]} columns=${columns} empty=${html`<${Empty} title=${t('failovers.none')} text=${t('failovers.none.text')}/>`}/>`;

export const Failover = ({ id }) => {
  const f = useData(`/v1/failovers/${id}`);
  const ticket = useData(f.data.value?.ticket_id ? `/v1/tickets/${f.data.value.ticket_id}` : null, ['ticket.']);
  return html`<${Loaded} page of=${f}>${(x) => html`<div class="bar"><h1>${title(x)}</h1></div><${Run} id=${id} ticket=${ticket.data.value} whole/>`}</${Loaded}>`;
};

export const Drills = () => {
  const tests = useData('/v1/failovers?kind=test&limit=200', ['failover.']);
  const plans = useData('/v1/recovery-plans?limit=200', ['recovery_plan.', 'failover.']);
  const month = useSignal(new Date());
  const move = (n) => { month.value = new Date(month.value.getFullYear(), month.value.getMonth() + n, 1); };
  const entries = {};
  for (const f of tests.data.value?.data || []) {
    const day = dayKey(f.started_at || f.scheduled_at || f.created_at);
    (entries[day] ||= []).push({ state: f.verdict || f.state, text: what(f), to: `/app/failovers/${f.id}` });
  }
  for (const p of (plans.data.value?.data || []).filter((x) => x.next_drill_due_at)) (entries[dayKey(p.next_drill_due_at)] ||= []).push({ state: Date.parse(p.next_drill_due_at) < Date.now() ? 'missed' : 'scheduled', text: t('drills.due', { plan: p.name }), to: `/app/plans/${p.id}` });
  const last = (tests.data.value?.data || []).filter((f) => f.rto_measured_seconds !== null && f.rto_measured_seconds !== undefined);
  return html`<div class="bar"><h1>${t('page.drills')}</h1><button onClick=${() => move(-1)}>${t('calendar.before')}</button><button onClick=${() => move(1)}>${t('calendar.after')}</button>${mayAsk() && html`<a class="button primary" href="/app/request?kind=test">${t('drills.start')}</a>`}</div>
    <${Panel} title=${t('drills.calendar')}><${Loaded} of=${tests}>${() => html`<${Calendar} month=${month.value} entries=${entries}/>`}</${Loaded}></${Panel}>
    <${Panel} title=${t('drills.results')}><${List} path="/v1/failovers" search=${false} fixed=${{ kind: 'test', sort: '-created_at' }} topics=${['failover.']} open=${(f) => `/app/failovers/${f.id}`} columns=${[...columns.map((c) => (c.label === t('ended') ? { ...c, folds: true } : c)), { label: t('rto.measured'), num: true, cell: (f) => (last.includes(f) || f.rto_measured_seconds ? duration(f.rto_measured_seconds) : '') }]}/></${Panel}>`;
};
