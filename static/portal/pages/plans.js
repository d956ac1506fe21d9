// SPDX-License-Identifier: Apache-2.0
// Recovery plans: which VMs go together and in what order, whether the plan would work now, and when it was last tried.
import { html, useSignal } from '../core/html.js';
import { patch, post, remove } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { go } from '../core/router.js';
import { has, isStaff, mayAsk, me } from '../core/store.js';
import { Lanes } from '../draw/lanes.js';
import { Ring, Spark } from '../draw/ring.js';
import { List } from '../ui/list.js';
import { Action, Ago, Blockers, Choice, Dialog, Empty, Facts, Form, Loaded, Panel, State, Text, TypedConfirm, When, now, toast } from '../ui/parts.js';
import { columns as runColumns } from './failovers.js';
import { Predicted } from './tickets.js';
import { duration } from '../core/time.js';

const mayChange = () => has('customer_approver', 'customer_admin', 'support_agent', 'support_engineer', 'support_lead');
const tones = { verified: 'ok', stale: 'warning', unverified: 'bad' };
const Readiness = ({ value }) => html`<${State} group="readiness" value=${value} tone=${tones[value]}/>`;
export const isLate = (p) => Boolean(p.next_drill_due_at) && Date.parse(p.next_drill_due_at) < now.value;
const DrillDue = ({ plan }) => (plan.next_drill_due_at ? html`<span class=${isLate(plan) ? 'bad' : ''}>${isLate(plan) ? `■ ${t('plan.late')} ` : ''}<${When} at=${plan.next_drill_due_at}/></span>` : html`<span class="muted">${t('plan.no-drills')}</span>`);

export const Plans = () => {
  const plans = useData('/v1/recovery-plans?limit=200', ['recovery_plan.', 'failover.']);
  const making = useSignal(false);
  const part = (v) => ({ n: (plans.data.value?.data || []).filter((p) => p.readiness === v).length, tone: tones[v], label: word('readiness', v) });
  const parts = ['verified', 'stale', 'unverified'].map(part);
  return html`<div class="bar"><h1>${t('page.plans')}</h1>${mayChange() && html`<button class="primary" onClick=${() => { making.value = true; }}>${t('plan.new')}</button>`}</div>
    ${making.value && html`<${Edit} onClose=${() => { making.value = false; }} done=${(p) => go(`/app/plans/${p.id}`)}/>`}
    ${plans.data.value?.data.length > 0 && html`<${Panel} title=${t('plan.readiness')}><${Ring} label=${t('plan.readiness')} parts=${parts}><p>${parts.map((p, i) => html`${i ? ' · ' : ''}<span class=${p.n ? p.tone : 'muted'}>${p.n} ${p.label}</span>`)}<br/><span class="muted">${t('plan.readiness.text')}</span></p></${Ring}></${Panel}>`}
    <${List} path="/v1/recovery-plans" customers fixed=${{ sort: 'name' }} topics=${['recovery_plan.', 'failover.']} open=${(p) => `/app/plans/${p.id}`} columns=${[
      { label: t('name'), sort: 'name', cell: (p) => html`<a href=${`/app/plans/${p.id}`}>${p.name}</a>` }, { label: t('vms'), num: true, cell: (p) => p.members.length }, { label: t('plan.readiness'), cell: (p) => html`<${Readiness} value=${p.readiness}/>` },
      { label: t('plan.drilled'), cell: (p) => html`<${Ago} at=${p.last_drill_at}/>` }, { label: t('plan.due'), cell: (p) => html`<${DrillDue} plan=${p}/>` }]} empty=${html`<${Empty} title=${t('plan.none')} text=${t('plan.none.text')}/>`}/>`;
};

// ---- making and changing ----

const Members = ({ members, vms, problem }) => {
  const adding = useSignal('');
  const name = (id) => vms.find((v) => v.id === id)?.name || id;
  const set = (i, change) => { members.value = members.value.map((m, k) => (k === i ? { ...m, ...change } : m)); };
  const drop = (id) => { members.value = members.value.filter((m) => m.vm_id !== id).map((m) => ({ ...m, after: m.after.filter((a) => a !== id) })); };
  const last = Math.max(0, ...members.value.map((m) => m.group));
  const add = (id) => { if (id) members.value = [...members.value, { vm_id: id, group: last, after: [] }]; adding.value = ''; };
  const rest = vms.filter((v) => !members.value.some((m) => m.vm_id === v.id));
  const waitable = (m) => members.value.filter((o) => o.vm_id !== m.vm_id && o.group === m.group);
  return html`<fieldset><legend>${t('plan.members')}</legend>${members.value.map((m, i) => html`<div class="member" key=${m.vm_id}><b class="grow">${name(m.vm_id)}</b>
      <label for=${`group-${i}`}>${t('plan.group.head')}</label><select id=${`group-${i}`} value=${m.group} onChange=${(e) => set(i, { group: Number(e.currentTarget.value), after: [] })}>${Array.from({ length: Math.max(members.value.length, last + 1) }, (_, g) => html`<option value=${g} selected=${g === m.group}>${g + 1}</option>`)}</select>
      ${waitable(m).length > 0 && html`<label for=${`after-${i}`}>${t('plan.after.head')}</label><select id=${`after-${i}`} value=${m.after[0] || ''} onChange=${(e) => set(i, { after: e.currentTarget.value ? [e.currentTarget.value] : [] })}><option value="">—</option>${waitable(m).map((o) => html`<option value=${o.vm_id} selected=${m.after[0] === o.vm_id}>${name(o.vm_id)}</option>`)}</select>`}
      <button type="button" aria-label=${t('plan.member.drop', { vm: name(m.vm_id) })} onClick=${() => drop(m.vm_id)}>✕</button></div>`)}
    ${rest.length > 0 && html`<label for="add-vm">${t('plan.member.add')}</label><select id="add-vm" value=${adding.value} onChange=${(e) => add(e.currentTarget.value)}><option value="">—</option>${rest.map((v) => html`<option value=${v.id}>${v.name}</option>`)}</select>`}
    ${problem && html`<p class="field-problem">${problem}</p>`}</fieldset>`;
};

const Edit = ({ plan, onClose, done }) => {
  const name = useSignal(plan?.name || '');
  const note = useSignal(plan?.note || '');
  const days = useSignal(String(plan?.drill_interval_days ?? (plan ? '' : 90)));
  const decide = useSignal(plan?.commit_policy || 'none');
  const minutes = useSignal(String(plan?.commit_minutes ?? 240));
  const hard = useSignal(Boolean(plan?.allow_hard_stop));
  const members = useSignal(plan ? plan.members.map((m) => ({ vm_id: m.vm_id, group: m.group || 0, after: m.after || [] })) : []);
  const customer = useSignal(plan?.customer_id || me.value.customer_id || '');
  const customers = useData(isStaff.value && !plan ? '/v1/customers?limit=200' : null);
  const vms = useData(customer.value ? `/v1/vms?sort=name&limit=200${isStaff.value ? `&customer_id=${customer.value}` : ''}` : null);
  const body = () => ({ name: name.value, note: note.value || null, members: members.value, ...(plan?.groups ? { groups: plan.groups.filter((g) => members.value.some((m) => m.group === g.group)) } : {}), allow_hard_stop: hard.value, drill_interval_days: days.value ? Number(days.value) : null,
    commit_policy: decide.value, commit_minutes: decide.value === 'none' ? null : Number(minutes.value), ...(plan || !isStaff.value ? {} : { customer_id: customer.value || null }) });
  const send = () => (plan ? patch(`/v1/recovery-plans/${plan.id}`, body(), plan.version) : post('/v1/recovery-plans', body()));
  return html`<${Dialog} title=${plan ? t('plan.change') : t('plan.new')} onClose=${onClose}><${Form} label=${t('save')} send=${send} done=${(p) => { onClose(); done(p); }}>${(wrong) => html`
    ${isStaff.value && !plan && html`<${Choice} id="customer" label=${t('customer')} value=${customer} options=${[['', '—'], ...(customers.data.value?.data || []).map((c) => [c.id, c.name])]} problem=${wrong.customer_id}/>`}
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Text} id="note" label=${t('note')} value=${note} problem=${wrong.note}/>
    <${Members} members=${members} vms=${vms.data.value?.data || []} problem=${wrong.members}/>
    <${Text} id="days" label=${t('plan.every')} hint=${t('plan.every.hint')} kind="number" min="1" max="366" value=${days} problem=${wrong.drill_interval_days}/>
    <${Choice} id="decide" label=${t('plan.undecided')} value=${decide} options=${['none', 'commit', 'rollback'].map((v) => [v, t(`plan.undecided.${v}`)])} problem=${wrong.commit_policy}/>
    ${decide.value !== 'none' && html`<${Text} id="minutes" label=${t('plan.minutes')} kind="number" min="1" max="10080" value=${minutes} problem=${wrong.commit_minutes}/>`}
    <label class="check"><input type="checkbox" checked=${hard.value} onChange=${(e) => { hard.value = e.currentTarget.checked; }}/>${t('plan.hard')}</label>`}</${Form}></${Dialog}>`;
};

// ---- one plan ----

const Ready = ({ plan, name, reload }) => {
  const data = useData(`/v1/recovery-plans/${plan.id}/readiness`, ['recovery_plan.', 'replication.', 'host.']);
  const look = async () => {
    const answer = await post(`/v1/recovery-plans/${plan.id}/validate`);
    toast(t(answer.blocked ? 'plan.blocked' : 'plan.verified'), answer.blocked);
    await Promise.all([data.reload(), reload()]);
  };
  return html`<${Panel} title=${t('plan.now')} more=${mayChange() && html`<${Action} label=${t('plan.validate')} onPress=${look}/>`}><p><${Readiness} value=${plan.readiness}/> ${plan.verified_at && html`<span class="muted"><${Ago} at=${plan.verified_at}/></span>`}</p>
    <${Loaded} of=${data}>${(r) => html`${r.stale_because.length > 0 && html`<p class="warning">${t('plan.stale', { what: r.stale_because.map((w) => word('stale_reason', w)).join(', ') })}</p>`}${r.blockers?.length ? html`<${Blockers} list=${r.blockers} name=${name}/>` : html`<p class="ok">● ${t('request.clear')}</p>`}${r.predicted && html`<${Predicted} of=${r.predicted}/>`}`}</${Loaded}></${Panel}>`;
};

const Trend = ({ plan }) => {
  const tests = useData(`/v1/failovers?plan_id=${plan.id}&kind=test&limit=50`, ['failover.']);
  const values = (tests.data.value?.data || []).map((f) => f.rto_measured_seconds).filter((n) => n !== null && n !== undefined).reverse();
  return values.length > 1 ? html`<p class="ring">${t('plan.trend')} <span class="num">${duration(values[values.length - 1])}</span> <${Spark} values=${values} label=${t('plan.trend')}/></p>` : null;
};

/** What a version says differently: paths as the server names them, VMs by their names. */
const Changes = ({ plan, version, name }) => {
  const data = useData(`/v1/recovery-plans/${plan.id}/versions/${version}/diff`);
  const path = (p) => { const [, field, ...rest] = p.split('/'); return [word('plan_field', field), ...rest.map((x) => name(x))].join(' / '); };
  const value = (v) => (v === null ? t('none') : typeof v !== 'object' ? name(String(v)) : v.vm_id ? t('plan.in-group', { n: (v.group || 0) + 1 }) : Array.isArray(v) && v.every((x) => typeof x !== 'object') ? v.map((x) => name(String(x))).join(', ') : JSON.stringify(v));
  return html`<${Loaded} of=${data}>${(d) => d.changes.map((c) => html`<div key=${c.path}>${path(c.path)}: <del>${value(c.from)}</del> → <ins>${value(c.to)}</ins></div>`)}</${Loaded}>`;
};
const Version = ({ plan, of, before, first, name }) => {
  const open = useSignal(first);
  return html`<li><b>${t('plan.version', { n: of.version })}</b><span class="grow">${!before ? t('created') : open.value ? html`<${Changes} plan=${plan} version=${of.version} name=${name}/>` : html`<button type="button" onClick=${() => { open.value = true; }}>${t('plan.changes')}</button>`}</span><${When} at=${of.created_at}/></li>`;
};
const Versions = ({ plan, name }) => {
  const data = useData(`/v1/recovery-plans/${plan.id}/versions`, ['recovery_plan.']);
  return html`<${Panel} title=${t('plan.versions')}><${Loaded} of=${data}>${(v) => html`<ul class="steps">${v.data.map((x, i) => html`<${Version} key=${x.version} plan=${plan} of=${x} before=${v.data[i + 1]} first=${i === 0} name=${name}/>`)}</ul>`}</${Loaded}></${Panel}>`;
};

/** What each group must pass before the next one starts. */
const Gates = ({ plan }) => {
  const group = (g) => (plan.groups || []).find((x) => x.group === g);
  const said = (g) => group(g)?.gate || { level: 'probe', timeout_seconds: 120, on_fail: 'pause' };
  const steps = (g, when) => (group(g)?.[when] || []).map((s) => `${s.name} (${word('plan_step_kind', s.kind)})`).join(', ');
  const numbers = [...new Set(plan.members.map((m) => m.group || 0))].sort((a, b) => a - b);
  return html`<ul class="steps">${numbers.map((g) => html`<li key=${g}><b>${t('plan.group', { n: g + 1 })}</b><span class="grow">${t('plan.gate', { level: word('gate_level', said(g).level), time: duration(said(g).timeout_seconds) })} · ${word('on_fail', said(g).on_fail)}${['before', 'after'].map((when) => steps(g, when) && html`<br/>${t(`plan.steps.${when}`, { names: steps(g, when) })}`)}</span></li>`)}</ul>`;
};

/** What networks are at other sites for this plan alone. */
const Networks = ({ said }) => {
  const networks = useData('/v1/networks?limit=200', ['network.'], { all: true });
  const sites = useData('/v1/sites?limit=200', ['site.'], { all: true });
  const called = (of, id) => (of.data.value?.data || []).find((x) => x.id === id)?.name || id;
  const there = (id) => (id ? called(networks, id) : t('plan.networks.usual'));
  return html`<${Panel} title=${t('plan.networks')}><ul class="steps">${said.map((e) => html`<li key=${e.network_id + e.target_site_id}><b>${called(networks, e.network_id)}</b><span class="grow">${t('plan.networks.there', { site: called(sites, e.target_site_id), real: there(e.real_network_id), test: there(e.test_network_id) })}</span></li>`)}</ul></${Panel}>`;
};

export const Plan = ({ id }) => {
  const data = useData(`/v1/recovery-plans/${id}`, ['recovery_plan.', 'failover.']);
  const vms = useData('/v1/vms?limit=200', ['vm.'], { all: true });
  const legs = useData('/v1/replications?limit=200', ['replication.'], { all: true });
  const dialog = useSignal('');
  const close = () => { dialog.value = ''; };
  const name = (vm) => (vms.data.value?.data || []).find((v) => v.id === vm)?.name || vm;
  const stateOf = (vm) => (legs.data.value?.data || []).find((r) => r.vm_id === vm && r.leg !== 'extended')?.state || 'unprotected';
  const drawn = (p) => p.members.map((m) => ({ vm_id: m.vm_id, name: name(m.vm_id), group: m.group || 0, after: (m.after || []).map(name), state: stateOf(m.vm_id) }));
  const gone = async () => { await remove(`/v1/recovery-plans/${id}`, data.data.value.version); go('/app/plans'); };
  return html`<${Loaded} page of=${data}>${(p) => html`<div class="bar"><h1>${p.name}</h1><${Readiness} value=${p.readiness}/>${mayAsk() && html`<a class="button primary" href=${`/app/request?kind=test&plan=${p.id}`}>${t('drills.start')}</a><a class="button" href=${`/app/request?kind=planned&plan=${p.id}`}>${t('request.button')}</a>`}
      ${mayChange() && html`<button onClick=${() => { dialog.value = 'edit'; }}>${t('change')}</button><button class="danger" onClick=${() => { dialog.value = 'delete'; }}>${t('delete')}</button>`}</div>
    ${dialog.value === 'edit' && html`<${Edit} plan=${p} onClose=${close} done=${() => { toast(t('saved')); data.reload(); }}/>`}
    ${dialog.value === 'delete' && html`<${TypedConfirm} title=${t('plan.delete')} text=${t('plan.delete.text')} name=${p.name} label=${t('delete')} onYes=${gone} onClose=${close}/>`}
    ${isLate(p) && html`<p class="note bad">${t('plan.late.text')}</p>`}${p.note && html`<p>${p.note}</p>`}
    <${Panel} title=${t('plan.order')}><${Lanes} members=${drawn(p)}/><${Gates} plan=${p}/></${Panel}>${p.network_map?.length > 0 && html`<${Networks} said=${p.network_map}/>`}
    <div class="grid"><${Ready} plan=${p} name=${name} reload=${data.reload}/><${Panel} title=${t('facts')}><${Facts} rows=${[[t('vms'), p.members.length], [t('plan.undecided'), `${t(`plan.undecided.${p.commit_policy}`)}${p.commit_minutes ? ` · ${duration(p.commit_minutes * 60)}` : ''}`], [t('plan.hard'), p.allow_hard_stop ? t('yes') : t('no')], [t('plan.every'), p.drill_interval_days ?? t('none')], [t('plan.drilled'), html`<${Ago} at=${p.last_drill_at}/>`], [t('plan.due'), html`<${DrillDue} plan=${p}/>`]]}/><${Trend} plan=${p}/></${Panel}></div>
    <${Panel} title=${t('page.failovers')}><${List} path="/v1/failovers" search=${false} fixed=${{ plan_id: id, sort: '-created_at' }} topics=${['failover.']} open=${(f) => `/app/failovers/${f.id}`} columns=${runColumns} empty=${html`<${Empty} title=${t('failovers.none')} text=${t('plan.tried')}/>`}/></${Panel}>
    <${Versions} plan=${p} name=${name}/>`}</${Loaded}>`;
};
