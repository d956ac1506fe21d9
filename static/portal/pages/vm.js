// SPDX-License-Identifier: Apache-2.0
// One VM: its chain, its recovery points, its RPO over time, what may be done with it.
import { html, useSignal } from '../core/html.js';
import { post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has, isStaff, mayAsk } from '../core/store.js';
import { bytes, duration } from '../core/time.js';
import { Chain } from '../draw/chain.js';
import { Points } from '../draw/points.js';
import { RpoTimeline } from '../draw/timeline.js';
import { Action, Ago, Blockers, Choice, Dialog, Empty, Facts, Form, Loaded, Operations, Panel, ProblemBox, State, Text, toast } from '../ui/parts.js';
import { Checkpoints } from './checkpoints.js';
import { Figures } from './figures.js';
import { useHosts } from './hosts.js';
import { operation } from './operation.js';
import { Owner } from './owner.js';
import { Figure, figures, usePolicies } from './replication-policies.js';

const powerVerbs = ['start', 'shutdown', 'stop', 'save', 'pause', 'resume', 'reset'];
const hard = ['stop', 'reset']; // the guest is not asked
const verbs = (vm) => Object.fromEntries(powerVerbs.map((v) => [v, { label: t(`power.${v}.do`), ...(hard.includes(v) ? { kind: 'danger', loses: { text: t('power.hard.text'), type: vm.name } } : {}), run: () => operation(`/v1/vms/${vm.id}/${v}`, t(`power.${v}.do`)) }]));

const legLabel = (r) => (r.state === 'replicating' && r.rpo_measured_seconds !== null && r.rpo_measured_seconds !== undefined ? t('behind', { time: duration(r.rpo_measured_seconds) }) : word('state', r.state));
const chainOf = (vm, legs, hostName) => {
  const first = legs.find((r) => r.leg !== 'extended');
  const second = legs.find((r) => r.leg === 'extended');
  const nodes = [{ letter: 'P', host: hostName(vm.host_id), text: vm.name, state: vm.power }];
  if (first) nodes.push({ letter: 'R', host: hostName(first.target_host_id), text: t('points.keeps', { n: first.recovery_points_kept }), state: first.state });
  if (second) nodes.push({ letter: 'E', host: hostName(second.target_host_id), text: t('points.keeps', { n: second.recovery_points_kept }), state: second.state });
  return { nodes, legs: [first, second].filter(Boolean).map((r) => ({ state: r.state, label: legLabel(r) })) };
};

const Protect = ({ vm, onClose }) => {
  const hosts = useData('/v1/hosts?limit=200');
  const target = useSignal('');
  const policies = usePolicies(vm.customer_id);
  const policy = useSignal('');
  const values = useSignal(Object.fromEntries(figures.map((f) => [f.field, String(f.usual)])));
  const one = (field) => ({ get value() { return values.value[field]; }, set value(v) { values.value = { ...values.value, [field]: v }; } });
  const choose = { get value() { return policy.value; }, set value(id) { policy.value = id; const p = policies.find((x) => x.id === id); if (p) values.value = Object.fromEntries(figures.map((f) => [f.field, String(p[f.field])])); } };
  const blockers = useSignal(/** @type {any[]|null} */ (null));
  const body = () => ({ target_host_id: target.value, ...(policy.value ? { policy_id: policy.value } : {}), ...Object.fromEntries(figures.map((f) => [f.field, Number(values.value[f.field])])) });
  const send = async () => {
    const check = /** @type {any} */ (await post(`/v1/vms/${vm.id}/replications?dry_run=true`, body()));
    blockers.value = check.blockers || [];
    if (blockers.value.some((b) => !b.warning)) return null;
    return operation(`/v1/vms/${vm.id}/replications`, t('protect'), body());
  };
  const others = (hosts.data.value?.data || []).filter((h) => h.id !== vm.host_id);
  return html`<${Dialog} title=${t('protect.title', { vm: vm.name })} onClose=${onClose}><${Form} label=${t('protect')} send=${send} done=${(a) => { if (a) onClose(); }}>${(wrong) => html`
    <${Choice} id="target" label=${t('protect.target')} value=${target} options=${[['', '—'], ...others.map((h) => [h.id, h.name])]} problem=${wrong.target_host_id}/>
    ${policies.length > 0 && html`<${Choice} id="policy" label=${t('policy')} value=${choose} options=${[['', t('rpolicy.own')], ...policies.map((p) => [p.id, p.name])]} problem=${wrong.policy_id}/>`}
    ${figures.map((f) => html`<${Figure} of=${f} value=${one(f.field)} problem=${wrong[f.field]}/>`)}
    ${blockers.value?.length > 0 && html`<div class="problem" role="alert"><h3>${t('blockers')}</h3><${Blockers} list=${blockers.value}/></div>`}`}</${Form}></${Dialog}>`;
};

// What may become of a replication; the last two are of one that was removed and whose disks are still there.
const replicationOps = { pause: '', resume: '', seed: '', resync: '', 'test-connection': '', reverse: '', remove: 'danger', 'agree-to-deletion': 'danger', 'delete-replica': 'danger' };
const replicationVerbs = (r, name) => Object.fromEntries(Object.entries(replicationOps).map(([op, kind]) => [op, { kind, label: t(`replication.${op}`), ...(kind ? { loses: { text: t(`replication.${op}.text`), type: name } } : {}), run: () => operation(`/v1/replications/${r.id}/${op}`, t(`replication.${op}`)) }]));
const Removed = ({ r, name, host }) => ((r.allowed_operations || []).length ? html`<${Panel} title=${t('leg.removed')}><p>${t('leg.removed.text', { host })}</p><${Operations} object=${r} ops=${replicationVerbs(r, name)}/></${Panel}>` : null);

const Leg = ({ r, name }) => {
  const points = useData(`/v1/replications/${r.id}/recovery-points?limit=200`, ['recovery_point.', 'replication.']);
  const measured = useData(`/v1/replications/${r.id}/measurements`, ['replication.']);
  const samples = (measured.data.value?.minutes || []).map((m) => ({ at: Date.parse(m.at) / 1000, value: m.rpo_seconds ?? null, state: m.state }));
  const kept = measured.data.value?.kept_permille;
  return html`<${Panel} title=${r.leg === 'extended' ? t('leg.extended') : t('leg.primary')} more=${html`<${State} value=${r.state}/>`}>
    <${Facts} rows=${[[t('rpo.measured'), duration(r.rpo_measured_seconds)], [t('rpo.target'), duration(r.rpo_target_seconds)], [t('rpo.kept'), kept === null || kept === undefined ? null : html`<span class=${kept < 1000 ? 'warning' : ''}>${t('rpo.kept.of', { percent: (kept / 10).toFixed(1) })}</span>`], [t('schedule'), duration(r.schedule_interval_seconds)], [t('health'), html`<${State} value=${r.health}/>`], [t('points.kept'), r.recovery_points_kept], [t('compression'), r.compression], [t('authentication'), word('authentication', r.authentication)]]}/>
    ${(r.health_reasons || []).map((x) => html`<p class="note warning">${x.text || x}</p>`)}
    <${Operations} object=${r} ops=${replicationVerbs(r, name)}/><h3>${t('points')}</h3><${Loaded} of=${points}>${(p) => html`<${Points} points=${p.data}/>`}</${Loaded}>
    <h3>${t('rpo.timeline')}</h3><${RpoTimeline} samples=${samples} target=${r.rpo_target_seconds}/></${Panel}>`;
};

const Screenshot = ({ vm }) => {
  const shown = useSignal('');
  const take = async () => { shown.value = `/v1/vms/${vm.id}/screenshot?t=${Date.now()}`; };
  return html`<${Panel} title=${t('screen')} more=${html`<${Action} label=${t('screen.take')} onPress=${take}/>`}>${shown.value ? html`<img src=${shown.value} alt=${t('screen.of', { vm: vm.name })} style=${{ maxWidth: '100%' }} onError=${() => { shown.value = ''; toast(t('screen.none'), true); }}/>` : html`<p class="muted">${t('screen.text')}</p>`}</${Panel}>`;
};

const Assign = ({ vm, reload }) => {
  const customers = useData('/v1/customers?limit=200');
  const customer = useSignal(vm.customer_id || '');
  const send = async () => {
    const { patch } = await import('../core/api.js');
    return patch(`/v1/vms/${vm.id}`, { customer_id: customer.value || null }, vm.version);
  };
  return html`<${Panel} title=${t('vm.assign')}><${Form} kind="" label=${t('save')} send=${send} done=${() => { toast(t('saved')); reload(); }}>${(wrong) => html`<${Choice} id="customer" label=${t('customer')} value=${customer} options=${[['', t('none')], ...(customers.data.value?.data || []).map((c) => [c.id, c.name])]} problem=${wrong.customer_id}/>`}</${Form}></${Panel}>`;
};

export const Vm = ({ id }) => {
  const vm = useData(`/v1/vms/${id}`, ['vm.']);
  const legs = useData(`/v1/replications?vm_id=${id}&limit=20`, ['replication.', 'recovery_point.']);
  const hosts = useHosts(id);
  const protecting = useSignal(false);
  return html`<${Loaded} page of=${vm}>${(v) => {
    const [list, removed] = [false, true].map((gone) => (legs.data.value?.data || []).filter((r) => (r.state === 'disabled') === gone));
    const chain = chainOf(v, list, hosts.name);
    return html`<div class="bar"><h1>${v.name}</h1><${State} group="power" value=${v.power}/>${list.length > 0 && mayAsk() && html`<a class="button primary" href=${`/app/request?vm=${v.id}`}>${t('request.button')}</a>`}</div>
    ${protecting.value && html`<${Protect} vm=${v} onClose=${() => { protecting.value = false; legs.reload(); }}/>`}
    ${v.split_brain_suspected && html`<p class="note bad" role="alert"><b>■ ${t('split-brain')}</b> ${t('split-brain.text')}</p>`}
    ${isStaff.value && html`<${Owner} vm=${v}/>`}
    <${Panel} title=${t('chain')}><${Chain} ...${chain}/>${!list.length && html`<${Empty} title=${t('vm.unprotected')} text=${t('vm.unprotected.text')}>${has('support_engineer', 'support_lead', 'customer_operator', 'customer_admin', 'customer_approver', 'operator') && html`<button class="primary" onClick=${() => { protecting.value = true; }}>${t('protect')}</button>`}</${Empty}>`}</${Panel}>
    <${Operations} object=${v} ops=${verbs(v)}/><br/>
    ${list.map((r) => html`<${Leg} key=${r.id} r=${r} name=${v.name}/>`)}${removed.map((r) => html`<${Removed} key=${r.id} r=${r} name=${v.name} host=${hosts.name(r.target_host_id)}/>`)}
    <${Figures} of=${`/v1/vms/${v.id}`}/><${Checkpoints} vm=${v}/>
    <div class="grid"><${Panel} title=${t('facts')}><${Facts} rows=${[[t('role'), html`<${State} group="dr_role" value=${v.dr_role}/>`], [t('cpus'), v.vcpus], [t('memory'), bytes(v.memory_bytes)], [t('disks'), bytes(v.disk_bytes)], [t('firmware'), v.firmware], [t('os'), v.guest_os], [t('managed'), v.managed ? t('yes') : t('no')], [t('observed'), html`<${Ago} at=${v.observed_at}/>`], ['UUID', html`<span class="mono">${v.hypervisor_uuid}</span>`]]}/></${Panel}>
      <${Screenshot} vm=${v}/>${has('support_agent', 'support_engineer', 'support_lead', 'operator') && html`<${Assign} vm=${v} reload=${vm.reload}/>`}</div><${ProblemBox} problem=${legs.problem.value && legs.problem.value.status !== 404 ? legs.problem.value : null}/>`;
  }}</${Loaded}>`;
};
