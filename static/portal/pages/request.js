// SPDX-License-Identifier: Apache-2.0
// The form for a failover. The dry run goes along from the moment it can: what stands in the way and what it will cost are
// there before anything is sent. What was typed stays; sending twice makes one ticket.
import { html, useEffect, useMemo, useSignal } from '../core/html.js';
import { Problem, newKey, post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { go, query } from '../core/router.js';
import { isStaff, me } from '../core/store.js';
import { instant, zone } from '../core/time.js';
import { Chain } from '../draw/chain.js';
import { Points } from '../draw/points.js';
import { Ago, Blockers, Loaded, Panel, ProblemBox, State, Text } from '../ui/parts.js';
import { useHosts } from './hosts.js';
import { Predicted } from './tickets.js';

const kinds = ['test', 'planned', 'unplanned'];
// the codes of the API, by kind (db/failovers.c)
const reasons = { test: ['validate_replication', 'train_personnel', 'test_recovery_plan'], planned: ['host_maintenance', 'expected_power_outage', 'natural_disaster_pending', 'compliance_rotation', 'failback'], unplanned: ['site_outage', 'virus_attack'] };

const SHOWN = 10; // machines offered at once; the rest by search

// What was chosen stays in this browser for a day, for who chose it, until the ticket is there: also the key that makes one
// ticket of it however often it is sent. The name that is typed to confirm does not.
const KEPT = 'us.draft.request';
const DAY = 86400000;
const kept = () => {
  const d = JSON.parse(localStorage.getItem(KEPT) || 'null');
  return d && d.who === me.value.id && Date.now() - d.at < DAY && (!location.search || location.search === d.from) ? d : null;
};
const forget = () => localStorage.removeItem(KEPT);

// What it would change: the arrow that turns or breaks off, the copy that starts. Of several machines the first is drawn.
const arrows = { test: { state: 'replicating' }, planned: { state: 'reversing', back: true }, unplanned: { state: 'error', tone: 'bad' } };
const Turn = ({ kind, chain, legs, hosts, name }) => {
  const [first, third] = [false, true].map((ext) => legs.find((r) => (r.leg === 'extended') === ext));
  if (!first) return null;
  const test = kind === 'test';
  const nodes = [{ letter: 'P', host: hosts.name(first.source_host_id), text: name, state: 'primary', tone: kind === 'unplanned' ? 'bad' : 'ok' }, { letter: 'R', host: hosts.name(first.target_host_id), text: t(`request.turn.${test ? 'stays' : 'starts'}`), state: test ? 'replica' : 'failing_over', dashed: !test },
    ...(third ? [{ letter: 'E', host: hosts.name(third.target_host_id), text: name, state: chain === 'reverse' && !test ? 'paused' : third.state }] : [])];
  const drawn = [{ ...arrows[kind], label: t(`request.turn.${kind}`) }, ...(third ? [{ state: chain === 'reverse' && !test ? 'paused' : third.state, label: chain === 'reverse' && !test ? '' : t('request.turn.test') }] : [])];
  return html`<${Panel} title=${t('request.turn')}><${Chain} nodes=${nodes} legs=${drawn} label=${t('request.turn')} test=${test ? { letter: '◆', host: hosts.name(first.target_host_id), text: t('run.test-copy'), state: 'test_running' } : null}/></${Panel}>`;
};

export const Request = () => {
  const q = query();
  const first = { kind: q.get('kind') || 'test', chosen: q.get('vm') ? [q.get('vm')] : [], plan: q.get('plan') || '', reason: '', point: '', when: '', back: '', chain: '', latest: false };
  const old = useMemo(kept, []);
  const begin = { ...first, ...old?.says };
  const kind = useSignal(begin.kind);
  const chosen = useSignal(/** @type {string[]} */ (begin.chosen));
  const reason = useSignal(begin.reason);
  const point = useSignal(begin.point);
  const when = useSignal(begin.when);
  const back = useSignal(begin.back);
  const chain = useSignal(begin.chain);
  const typed = useSignal('');
  const latest = useSignal(begin.latest);
  const find = useSignal('');
  const key = useSignal(old?.key || newKey());
  const found = useSignal(Boolean(old));
  const dry = useSignal(/** @type {any} */ (null));
  const problem = useSignal(/** @type {any} */ (null));
  const busy = useSignal(false);
  const plan = useSignal(begin.plan);
  const plans = useData('/v1/recovery-plans?limit=200', ['recovery_plan.']);
  const chosenPlan = (plans.data.value?.data || []).find((p) => p.id === plan.value);
  const vms = useData('/v1/vms?sort=name&limit=200', ['vm.'], { all: true });
  const legs = useData('/v1/replications?limit=200', ['replication.'], { all: true });
  const protectedOnes = (vms.data.value?.data || []).filter((v) => (legs.data.value?.data || []).some((r) => r.vm_id === v.id && r.leg !== 'extended'));
  const moving = chosenPlan ? chosenPlan.members.map((m) => m.vm_id) : chosen.value;
  const nameOf = (id) => protectedOnes.find((v) => v.id === id)?.name || id;
  const hosts = useHosts(moving.length ? moving : undefined);
  const lost = moving.filter(hosts.lost).map((v) => nameOf(v)).join(', ');
  const picked = useSignal(Boolean(old || q.get('kind')));
  useEffect(() => {
    if (!lost || picked.value || kind.value === 'unplanned') return;
    kind.value = 'unplanned'; // nothing else helps
    reason.value = '';
  }, [lost]);
  const leg = !chosenPlan && chosen.value.length === 1 ? (legs.data.value?.data || []).find((r) => r.vm_id === chosen.value[0] && r.leg !== 'extended') : null;
  const extended = moving.some((v) => (legs.data.value?.data || []).some((r) => r.vm_id === v && r.leg === 'extended'));
  const points = useData(leg && kind.value !== 'planned' ? `/v1/replications/${leg.id}/recovery-points?limit=100` : null, ['recovery_point.']);
  const name = chosenPlan ? chosenPlan.name : chosen.value.length === 1 ? nameOf(chosen.value[0]) : t('vms.count', { n: chosen.value.length });
  const returns = kind.value === 'planned' && reason.value !== 'failback';
  const body = () => {
    /** @type {any} */
    const failover = { kind: kind.value, reason_code: reason.value, ...(chosenPlan ? { plan_id: chosenPlan.id } : { vm_ids: chosen.value }) };
    if (point.value) failover.recovery_point_id = point.value;
    if (when.value) failover.scheduled_at = instant(when.value);
    if (returns && back.value) failover.window_ends_at = instant(back.value);
    if (extended && chain.value) failover.chain = chain.value;
    if (latest.value) failover.acknowledge_latest = true;
    const customer = chosenPlan ? chosenPlan.customer_id : protectedOnes.find((v) => v.id === chosen.value[0])?.customer_id;
    return { type: 'failover', subject: `${t(`kind.${kind.value}.title`)}: ${name}`, failover, ...(isStaff.value && customer ? { customer_id: customer } : {}) };
  };
  const ready = moving.length > 0 && reason.value;
  useEffect(() => {
    if (!ready) { dry.value = null; return undefined; }
    let alive = true;
    const timer = setTimeout(async () => {
      try {
        const answer = await post('/v1/tickets?dry_run=true', body());
        if (alive) { dry.value = answer; problem.value = null; }
      } catch (error) {
        if (alive) { dry.value = null; problem.value = error; }
      }
    }, 300);
    return () => { alive = false; clearTimeout(timer); };
  }, [kind.value, chosen.value, chosenPlan?.id, reason.value, point.value, when.value, back.value, chain.value, latest.value]);
  const says = { kind: kind.value, chosen: chosen.value, plan: plan.value, reason: reason.value, point: point.value, when: when.value, back: back.value, chain: chain.value, latest: latest.value };
  const text = JSON.stringify(says);
  useEffect(() => {
    if (text === JSON.stringify(first)) forget();
    else localStorage.setItem(KEPT, JSON.stringify({ who: me.value.id, at: Date.now(), from: location.search, key: key.value, says }));
  }, [text, key.value]);
  const anew = () => {
    for (const [s, name] of /** @type {[any, string][]} */ ([[kind, 'kind'], [chosen, 'chosen'], [plan, 'plan'], [reason, 'reason'], [point, 'point'], [when, 'when'], [back, 'back'], [chain, 'chain'], [latest, 'latest']])) s.value = first[name];
    key.value = newKey();
    found.value = false;
  };
  const missing = () => {
    if (!moving.length) return t('request.missing.vm');
    if (!reason.value) return t('request.missing.reason');
    if (extended && kind.value !== 'test' && !chain.value) return t('request.missing.chain');
    if (reason.value === 'virus_attack' && !point.value && !latest.value) return t('request.missing.point');
    if (kind.value === 'unplanned' && typed.value !== name) return t('confirm.why');
    return '';
  };
  const send = async (event) => {
    event.preventDefault();
    if (missing() || busy.value) return;
    busy.value = true;
    try {
      const ticket = await post('/v1/tickets', body(), { key: key.value });
      forget();
      go(`/app/tickets/${ticket.number}`);
    } catch (error) {
      problem.value = error instanceof Problem ? error : new Problem({ detail: String(error) }, 0);
      if (error.status === 422 || error.status === 400) key.value = newKey();
    } finally {
      busy.value = false;
    }
  };
  const flip = (id) => { chosen.value = chosen.value.includes(id) ? chosen.value.filter((x) => x !== id) : [...chosen.value, id]; point.value = ''; };
  /** @type {Record<string, string>} */
  const wrong = Object.fromEntries(Object.entries(problem.value?.fields || {}).map(([at, text]) => [at.replace('failover/', ''), text]));
  const matching = protectedOnes.filter((v) => v.name.toLowerCase().includes(find.value.toLowerCase()));
  const shown = matching.filter((v, i) => i < SHOWN || chosen.value.includes(v.id));
  return html`<div class="bar"><h1>${t('page.request')}</h1></div>${found.value && html`<p class="note" role="status">${t('request.draft')} <${Ago} at=${new Date(old.at).toISOString()}/> <button type="button" onClick=${anew}>${t('request.anew')}</button></p>`}<form onSubmit=${send} novalidate>
    <fieldset><legend>${t('request.kind')}</legend><div class="cards">${kinds.map((k) => html`<label class="card"><input type="radio" name="kind" value=${k} checked=${kind.value === k} disabled=${k === 'planned' && lost && kind.value !== k} onChange=${() => { kind.value = k; reason.value = ''; picked.value = true; }}/><b>${t(`kind.${k}.title`)}</b><br/><span class="muted">${t(`kind.${k}.where`)}<br/>${t(`kind.${k}.loss`)}</span>${k === 'planned' && lost && html`<br/><span class="bad">■ ${t('request.lost', { vm: lost })}</span>`}</label>`)}</div></fieldset>
    <fieldset><legend>${t('request.what')}</legend>${plans.data.value?.data.length > 0 && html`<label for="plan">${t('request.plan')}</label><select id="plan" value=${plan.value} onChange=${(e) => { plan.value = e.currentTarget.value; point.value = ''; }}><option value="">${t('request.plan.none')}</option>${plans.data.value.data.map((p) => html`<option value=${p.id} selected=${p.id === plan.value}>${p.name} · ${t('vms.count', { n: p.members.length })}</option>`)}</select>`}
      <${Loaded} of=${vms}>${() => (chosenPlan ? html`<p class="muted">${moving.map(nameOf).join(', ')}</p>` : html`${protectedOnes.length > 8 && html`<input type="search" aria-label=${t('search')} placeholder=${t('search')} value=${find.value} onInput=${(e) => { find.value = e.currentTarget.value; }}/>`}
      ${shown.map((v) => html`<label class="check"><input type="checkbox" checked=${chosen.value.includes(v.id)} onChange=${() => flip(v.id)}/><span>${v.name}</span> <${State} group="power" value=${v.power}/></label>`)}${matching.length > shown.length && html`<p class="muted">${t('request.more', { n: matching.length - shown.length })}</p>`}${!protectedOnes.length && html`<p class="muted">${t('request.nothing')} <a href="/app/protection">${t('page.protection')}</a></p>`}`)}</${Loaded}></fieldset>
    <fieldset><legend>${t('request.why')}</legend>${reasons[kind.value].map((r) => html`<label class="check"><input type="radio" name="reason" value=${r} checked=${reason.value === r} onChange=${() => { reason.value = r; }}/>${word('reason', r)}</label>`)}</fieldset>
    ${leg && kind.value !== 'planned' && points.data.value && html`<fieldset><legend>${t('request.point')}</legend><label class="check"><input type="radio" name="point" checked=${!point.value} onChange=${() => { point.value = ''; }}/>${t('request.latest')}</label><${Points} points=${points.data.value.data.filter((p) => p.state !== 'corrupt')} value=${point.value} onPick=${(p) => { point.value = p; }}/>
      ${reason.value === 'virus_attack' && !point.value && html`<label class="check"><input type="checkbox" checked=${latest.value} onChange=${(e) => { latest.value = e.currentTarget.checked; }}/>${t('request.virus')}</label>`}</fieldset>`}
    ${extended && kind.value !== 'test' && html`<fieldset><legend>${t('request.chain')}</legend>${['keep', 'reverse'].map((c) => html`<label class="check"><input type="radio" name="chain" value=${c} checked=${chain.value === c} onChange=${() => { chain.value = c; }}/>${t(`request.chain.${c}`)}</label>`)}</fieldset>`}
    <fieldset><legend>${t('request.when')}</legend><label class="check"><input type="radio" name="when" checked=${!when.value} onChange=${() => { when.value = ''; }}/>${t('request.now')}</label><${Text} id="at" kind="datetime-local" label=${t('request.at')} hint=${zone()} value=${when} problem=${wrong.scheduled_at}/>
      ${returns && html`<${Text} id="back" kind="datetime-local" label=${t('request.back')} hint=${`${zone()} · ${t('request.back.hint')}`} value=${back} problem=${wrong.window_ends_at}/>`}</fieldset>
    ${moving.length > 0 && html`<${Turn} kind=${kind.value} chain=${chain.value} legs=${(legs.data.value?.data || []).filter((r) => r.vm_id === moving[0])} hosts=${hosts} name=${name}/>`}
    <${Panel} title=${t('request.preflight')}><div aria-live="polite">${!ready ? html`<p class="muted">${t('request.preflight.text')}</p>` : dry.value ? html`${dry.value.blockers?.length ? html`<${Blockers} list=${dry.value.blockers} name=${nameOf}/>` : html`<p class="ok">● ${t('request.clear')}</p>`}${dry.value.predicted && html`<${Predicted} of=${dry.value.predicted}/>`}` : html`<div class="skeleton"/>`}</div></${Panel}>
    ${kind.value === 'unplanned' && moving.length > 0 && html`<p class="note bad">${t('request.unplanned')}</p><${Text} id="typed" label=${t('confirm.type', { name })} value=${typed} autocomplete="off"/>`}
    <${ProblemBox} problem=${problem.value}/><div class="actions"><button class="primary" aria-disabled=${missing() || busy.value ? 'true' : undefined} aria-describedby="missing">${busy.value ? t('working') : t('request.send')}</button><span class="why" id="missing">${missing()}</span></div></form>`;
};
