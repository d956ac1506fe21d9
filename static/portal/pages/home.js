// SPDX-License-Identifier: Apache-2.0
// "Are we safe?" in one sentence, and what asks for attention.
import { html } from '../core/html.js';
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has, isStaff, mayAsk } from '../core/store.js';
import { duration } from '../core/time.js';
import { Chain } from '../draw/chain.js';
import { Ring } from '../draw/ring.js';
import { ago, bytes } from '../core/time.js';
import { Empty, Loaded, Panel, State, Toned, Ago, When } from '../ui/parts.js';
import { protectionOf } from './protection.js';
import { isLate } from './plans.js';
import { title as runTitle } from './run.js';

const groups = [['safe', 'ok'], ['risk', 'warning'], ['unprotected', 'bad']];
const classOf = (vm, replication) => {
  if (!replication) return 'unprotected';
  return replication.state === 'replicating' && replication.health !== 'critical' ? 'safe' : 'risk';
};

const sentence = (n) => {
  if (!n.all) return ['idle', t('home.none')];
  if (n.unprotected && !n.safe && !n.risk) return ['bad', t('home.unprotected', { n: n.unprotected })];
  if (n.risk) return ['warning', t('home.risk', { n: n.risk })];
  if (n.unprotected) return ['warning', t('home.partly', { safe: n.safe, n: n.unprotected })];
  return ['ok', t('home.safe', { n: n.safe })];
};

const Safety = ({ vms, replications }) => {
  const by = new Map(replications.filter((r) => r.leg !== 'extended').map((r) => [r.vm_id, r]));
  const n = { all: vms.length, safe: 0, risk: 0, unprotected: 0 };
  for (const vm of vms) n[classOf(vm, by.get(vm.id))] += 1;
  const [tone, text] = sentence(n);
  const worst = replications.filter((r) => r.rpo_measured_seconds !== null && r.rpo_measured_seconds !== undefined).reduce((w, r) => Math.max(w, r.rpo_measured_seconds), -1);
  return html`<section class="panel" aria-label=${t('home.safety')}>
    <${Ring} label=${t('home.safety')} parts=${groups.map(([g, tn]) => ({ n: n[g], tone: tn, label: t(`home.${g}.label`) }))}>
    <p class="big"><${Toned} tone=${tone}>${text}</${Toned}></p><p class="muted">${groups.map(([g, tn], i) => html`${i ? ' · ' : ''}${n[g] ? html`<${Toned} tone=${tn}>${n[g]} ${t(`home.${g}.label`)}</${Toned}>` : `${n[g]} ${t(`home.${g}.label`)}`}`)}${worst >= 0 ? ` · ${t('home.worst', { time: duration(worst) })}` : ''}</p></${Ring}>
    ${!vms.length && html`<${Empty} title=${t('home.none')} text=${isStaff.value ? t('home.none.staff') : t('home.none.customer')}>${has('operator', 'support_lead') && html`<a class="button primary" href="/app/sites">${t('home.none.do')}</a>`}</${Empty}>`}</section>`;
};

// Sites of the machines, of their copies and of the copies' copies; on the arrows how far the worst is behind.
const Copies = ({ vms, legs }) => {
  const topology = useData('/v1/topology', ['vm.', 'host.', 'replication.']);
  const sites = new Map((topology.data.value?.sites || []).flatMap((s) => s.hosts.map((h) => [h.id, s.name])));
  const namesOf = (hosts) => [...new Set(hosts.map((h) => sites.get(h)).filter(Boolean))].sort().join(', ') || t('unknown');
  const parts = [['R', legs.filter((r) => r.leg !== 'extended')], ['E', legs.filter((r) => r.leg === 'extended')]].filter(([, list]) => list.length);
  if (!topology.data.value || !parts.length) return null;
  const worst = (list) => Math.max(...list.map((r) => r.rpo_measured_seconds ?? -1));
  const stateOf = (list) => list.find((r) => r.state !== 'replicating')?.state || 'replicating';
  const nodes = [{ letter: 'P', host: namesOf(vms.map((v) => v.host_id)), text: t('vms.count', { n: vms.length }), state: 'primary', tone: 'ok' }, ...parts.map(([letter, list]) => ({ letter, host: namesOf(list.map((r) => r.target_host_id)), text: t('home.copies', { n: list.length }), state: stateOf(list) }))];
  return html`<${Panel} title=${t('home.chain')}><${Chain} label=${t('home.chain')} nodes=${nodes} legs=${parts.map(([, list]) => ({ state: stateOf(list), label: worst(list) >= 0 ? t('behind', { time: duration(worst(list)) }) : '' }))}/></${Panel}>`;
};

const attention = (vms, replications) => {
  const by = new Map(replications.filter((r) => r.leg !== 'extended').map((r) => [r.vm_id, r]));
  return vms.map((vm) => ({ vm, r: by.get(vm.id) })).filter(({ vm, r }) => classOf(vm, r) !== 'safe').slice(0, 12);
};

// What is under way, what waits for a decision, which drills are due: nothing is drawn when there is nothing.
const Running = () => {
  const runs = useData('/v1/failovers?state=running,waiting,test_running,customer_validation,committed_unprotected&limit=5', ['failover.', 'workflow.']);
  return html`${(runs.data.value?.data || []).map((f) => html`<p class="note" key=${f.id}><a href=${`/app/failovers/${f.id}`}>${runTitle(f)}</a> <${State} value=${f.state}/></p>`)}`;
};
const Waiting = () => {
  const tickets = useData('/v1/tickets?approval=awaiting&resolution=none&limit=10', ['ticket.', 'approval.']);
  const mine = tickets.data.value?.data || [];
  return mine.length ? html`<${Panel} title=${t('home.decide')}><ul class="steps">${mine.map((x) => html`<li><a class="grow" href=${`/app/tickets/${x.number}`}><span class="num">${x.number}</span> ${x.subject}</a><${Ago} at=${x.created_at}/></li>`)}</ul></${Panel}>` : null;
};
const DrillsDue = () => {
  const plans = useData(`/v1/recovery-plans?limit=200${isStaff.value ? '&expand=customer' : ''}`, ['recovery_plan.', 'failover.']);
  const due = /** @type {any[]} */ (plans.data.value?.data || []).filter((p) => p.next_drill_due_at).sort((a, b) => (a.next_drill_due_at < b.next_drill_due_at ? -1 : 1)).slice(0, 6);
  return due.length ? html`<${Panel} title=${t('home.drills')}><ul class="steps">${due.map((p) => html`<li><span class="grow"><a href=${`/app/plans/${p.id}`}>${p.name}</a>${p.customer && html` <span class="muted">${p.customer.name}</span>`}</span>${isLate(p) ? html`<span class="bad">■ ${t('plan.late')}</span>` : html`<${When} at=${p.next_drill_due_at}/>`}</li>`)}</ul></${Panel}>` : null;
};

export const Home = () => {
  const vms = useData('/v1/vms?limit=200', ['vm.'], { all: true });
  const { list } = protectionOf();
  return html`<div class="bar"><h1>${t('page.home')}</h1>${mayAsk() && list && html`<a class="button primary" href="/app/request">${t('request.button')}</a>`}</div>
  <${Running}/><${Loaded} of=${vms}>${(page) => html`<${Loaded} of=${list}>${(legs) => html`<${Safety} vms=${page.data} replications=${legs.data}/>${(page.has_more || legs.has_more) && html`<p class="note warning">${t('home.more', { n: page.data.length })}</p>`}
    ${attention(page.data, legs.data).length > 0 && html`<${Panel} title=${t('home.attention')}><ul class="steps">${attention(page.data, legs.data).map(({ vm, r }) => html`<li><a class="grow" href=${`/app/vms/${vm.id}`}>${vm.name}</a><${State} value=${r ? r.state : 'unprotected'}/></li>`)}</ul></${Panel}>`}<${Copies} vms=${page.data} legs=${legs.data}/>`}</${Loaded}>`}</${Loaded}><div class="grid"><${Waiting}/><${DrillsDue}/></div>`;
};
export { ago, bytes, Ago };
