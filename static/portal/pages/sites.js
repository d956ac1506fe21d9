// SPDX-License-Identifier: Apache-2.0
// Sites, their hosts, and how a host is added: one command to paste. The list ticks itself from events.
import { html, useSignal } from '../core/html.js';
import { post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { bytes } from '../core/time.js';
import { Choice, Countdown, Dialog, Facts, Form, Loaded, Panel, State, Text, toast } from '../ui/parts.js';

const zones = Intl.supportedValuesOf('timeZone').map((z) => [z, z]);
const NewSite = ({ onClose }) => {
  const name = useSignal('');
  const code = useSignal('');
  const kind = useSignal('provider_dc');
  const zone = useSignal('Europe/London');
  return html`<${Dialog} title=${t('sites.new')} onClose=${onClose}><${Form} label=${t('create')} send=${() => post('/v1/sites', { name: name.value, code: code.value, kind: kind.value, time_zone: zone.value })} done=${onClose}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Text} id="code" label=${t('sites.code')} hint=${t('sites.code.hint')} value=${code} problem=${wrong.code}/>
    <${Choice} id="kind" label=${t('kind')} value=${kind} options=${['provider_dc', 'customer_dc', 'cloud'].map((k) => [k, word('site_kind', k)])} problem=${wrong.kind}/><${Choice} id="zone" label=${t('time-zone')} value=${zone} options=${zones} problem=${wrong.time_zone}/>`}</${Form}></${Dialog}>`;
};

const NewHost = ({ sites, onClose, onMade }) => {
  const name = useSignal('');
  const site = useSignal(sites[0]?.id || '');
  const hypervisor = useSignal('kvm');
  return html`<${Dialog} title=${t('sites.host')} onClose=${onClose}><${Form} label=${t('create')} send=${() => post('/v1/hosts', { name: name.value, site_id: site.value, hypervisor: hypervisor.value })} done=${(h) => { onClose(); onMade(h); }}>${(wrong) => html`
    <${Text} id="name" label=${t('name')} value=${name} problem=${wrong.name}/><${Choice} id="site" label=${t('site')} value=${site} options=${sites.map((s) => [s.id, s.name])} problem=${wrong.site_id}/>
    <${Choice} id="hv" label=${t('hypervisor')} value=${hypervisor} options=${[['kvm', 'Linux/KVM'], ['hyperv', 'Hyper-V']]} problem=${wrong.hypervisor}/>`}</${Form}></${Dialog}>`;
};

const Enrol = ({ host, onClose }) => {
  const made = useSignal(/** @type {any} */ (null));
  const problem = useSignal('');
  const make = async () => { try { made.value = await post(`/v1/hosts/${host.id}/enroll`); } catch (p) { problem.value = p.message; } };
  return html`<${Dialog} title=${t('sites.enrol', { host: host.name })} onClose=${onClose}><p>${t('sites.enrol.text')}</p>
    ${made.value ? html`<pre>${made.value.command}</pre><p class="muted">${t('sites.enrol.until')} <${Countdown} to=${made.value.expires_at}/></p><pre>understudy-agent run --config /var/lib/understudy-agent/agent.conf</pre>
      <button onClick=${() => navigator.clipboard.writeText(made.value.command).then(() => toast(t('copied')))}>${t('copy')}</button>` : html`<button class="primary" onClick=${make}>${t('sites.enrol.make')}</button>${problem.value && html`<p class="field-problem">${problem.value}</p>`}`}</${Dialog}>`;
};

// From an empty installation to the first test: a list that ticks itself, gone when everything is done.
const FirstHour = ({ sites, hosts, agents }) => {
  const vms = useData('/v1/vms?limit=1', ['vm.']).data.value;
  const legs = useData('/v1/replications?limit=200', ['replication.', 'recovery_point.']).data.value;
  const tests = useData('/v1/failovers?kind=test&state=solved&limit=1', ['failover.']).data.value;
  if (![sites, hosts, agents, vms, legs, tests].every(Boolean)) return null;
  const steps = [['site', sites.data.length > 0], ['host', hosts.data.length > 1], ['agent', agents.data.filter((a) => a.connected).length > 1], ['vm', vms.data.length > 0, '/app/protection'], ['protect', legs.data.length > 0, '/app/protection'], ['point', legs.data.some((r) => r.rpo_measured_seconds !== null)], ['test', tests.data.length > 0, '/app/request?kind=test']];
  if (steps.every(([, done]) => done)) return null;
  return html`<${Panel} title=${t('first.title')}><ol class="steps">${steps.map(([name, done, to]) => html`<li class=${done ? 'ok' : ''}><b aria-hidden="true">${done ? '✔' : '○'}</b><span class="grow">${to && !done ? html`<a href=${to}>${t(`first.${name}`)}</a>` : t(`first.${name}`)}</span><span class=${done ? 'sr' : 'muted'}>${done ? t('done') : t('open')}</span></li>`)}</ol></${Panel}>`;
};

// What there is, what runs, and what would have to run if every copy that is kept here came up.
const Room = ({ site }) => {
  const room = useData(`/v1/sites/${site}/capacity`, ['host.', 'vm.', 'replication.']);
  return html`<${Loaded} of=${room}>${(r) => html`<${Facts} rows=${[[t('room.memory'), t('room.of', { all: bytes(r.memory_bytes), run: bytes(r.memory_running_bytes), more: bytes(r.memory_replicated_bytes) })],
    [t('room.cpus'), t('room.of', { all: r.cpu_count, run: r.vcpus_running, more: r.vcpus_replicated })], [t('room.vms'), t('room.count', { run: r.vms_running, more: r.vms_replicated })], [t('room.storage'), r.storage_bytes > 0 ? t('room.free', { all: bytes(r.storage_bytes), free: bytes(r.storage_available_bytes) }) : null]]}/>
    ${r.hosts_untold > 0 && html`<p class="muted">${t('room.untold', { n: r.hosts_untold })}</p>`}${r.memory_bytes > 0 && r.memory_running_bytes + r.memory_replicated_bytes > r.memory_bytes && html`<p class="warning">▲ ${t('room.short')}</p>`}`}</${Loaded}>`;
};

export const Sites = () => {
  const sites = useData('/v1/sites?limit=200', ['site.']);
  const hosts = useData('/v1/hosts?limit=200', ['host.', 'agent.']);
  const agents = useData('/v1/agents?limit=200', ['agent.', 'host.']);
  const dialog = useSignal(/** @type {any} */ (null));
  const close = () => { dialog.value = null; };
  const agentOf = (h) => (agents.data.value?.data || []).find((a) => a.host_id === h.id && ['active', 'quarantined'].includes(a.state));
  const heads = [t('host'), t('hypervisor'), t('state'), t('agent'), t('actions')];
  const connected = (a) => (a ? html`<${State} value=${a.connected ? 'connected' : 'lost'} tone=${a.connected ? 'ok' : 'bad'}/>` : html`<span class="muted">${t('none')}</span>`);
  const cells = (h) => [html`<a href=${`/app/hosts/${h.id}`}>${h.name}</a>`, word('hypervisor', h.hypervisor), html`<${State} value=${h.state}/>`, connected(agentOf(h)), html`<button onClick=${() => { dialog.value = { kind: 'enrol', host: h }; }}>${agentOf(h) ? t('sites.again') : t('sites.enrol.short')}</button>`];
  return html`<div class="bar"><h1>${t('page.sites')}</h1><button onClick=${() => { dialog.value = { kind: 'site' }; }}>${t('sites.new')}</button>${sites.data.value?.data.length > 0 && html`<button class="primary" onClick=${() => { dialog.value = { kind: 'host' }; }}>${t('sites.host')}</button>`}</div>
    ${dialog.value?.kind === 'site' && html`<${NewSite} onClose=${close}/>`}${dialog.value?.kind === 'host' && html`<${NewHost} sites=${sites.data.value.data} onClose=${close} onMade=${(h) => { dialog.value = { kind: 'enrol', host: h }; }}/>`}${dialog.value?.kind === 'enrol' && html`<${Enrol} host=${dialog.value.host} onClose=${close}/>`}
    <${FirstHour} sites=${sites.data.value} hosts=${hosts.data.value} agents=${agents.data.value}/>
    <${Loaded} of=${sites}>${(page) => page.data.map((s) => html`<${Panel} title=${`${s.name} (${s.code})`} more=${html`<${State} value=${s.state}/>`}>
      <div class="scroll" tabindex="0" role="region" aria-label=${s.name}><table class="cards-small" role="table"><thead role="rowgroup"><tr role="row">${heads.map((x) => html`<th role="columnheader" scope="col">${x}</th>`)}</tr></thead><tbody role="rowgroup">${(hosts.data.value?.data || []).filter((h) => h.site_id === s.id).sort((a, b) => a.name.localeCompare(b.name)).map((h) => html`<tr role="row" key=${h.id}>${cells(h).map((c, i) => html`<td role="cell" data-head=${heads[i]}>${c}</td>`)}</tr>`)}</tbody></table></div>${(hosts.data.value?.data || []).some((h) => h.site_id === s.id) && html`<${Room} site=${s.id}/>`}</${Panel}>`)}</${Loaded}>`;
};
