// SPDX-License-Identifier: Apache-2.0
// Hosts: where they stand and what they carry; and one of them.
import { html, useSignal } from '../core/html.js';
import { post } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has } from '../core/store.js';
import { bytes } from '../core/time.js';
import { Topology } from '../draw/topology.js';
import { List } from '../ui/list.js';
import { Action, Ago, Empty, Facts, Loaded, Operations, Panel, State, TypedConfirm, When, toast } from '../ui/parts.js';
import { Fence } from './fence.js';
import { Figures } from './figures.js';
import { operation } from './operation.js';
import { Surroundings } from './surroundings.js';

export const Fleet = () => {
  const sites = useData('/v1/sites?limit=200', ['site.']);
  const hosts = useData('/v1/hosts?sort=name&limit=200', ['host.']);
  const vms = useData('/v1/vms?limit=200', ['vm.'], { all: true });
  const count = (h) => (vms.data.value?.data || []).filter((v) => v.host_id === h.id).length;
  const drawn = () => (sites.data.value?.data || []).map((s) => ({ name: s.name, hosts: (hosts.data.value?.data || []).filter((h) => h.site_id === s.id).map((h) => ({ ...h, text: `${word('hypervisor', h.hypervisor)} · ${t('vms.count', { n: count(h) })}` })) }));
  return html`<div class="bar"><h1>${t('page.fleet')}</h1></div><${Panel} title=${t('topology')}><${Loaded} of=${sites}>${() => (hosts.data.value?.data.length ? html`<${Topology} sites=${drawn()}/>` : html`<${Empty} title=${t('fleet.none')} text=${t('fleet.none.text')}/>`)}</${Loaded}></${Panel}>
    <${Panel} title=${t('hosts')}><${List} path="/v1/hosts" fixed=${{ sort: 'name' }} topics=${['host.']} open=${(h) => `/app/hosts/${h.id}`} columns=${[
      { label: t('name'), sort: 'name', cell: (h) => html`<a href=${`/app/hosts/${h.id}`}>${h.name}</a>` }, { label: t('hypervisor'), cell: (h) => word('hypervisor', h.hypervisor) }, { label: t('state'), cell: (h) => html`<${State} value=${h.state}/>` },
      { label: t('cpus'), num: true, cell: (h) => h.cpu_count ?? t('unknown') }, { label: t('memory'), num: true, cell: (h) => bytes(h.memory_bytes) }]}/></${Panel}>`;
};

const verbs = (host) => ({
  drain: { label: t('host.drain'), run: () => operation(`/v1/hosts/${host.id}/drain`, t('host.drain')) },
  resume: { label: t('host.resume'), run: () => operation(`/v1/hosts/${host.id}/resume`, t('host.resume')) },
  quarantine: { label: t('host.quarantine'), kind: 'danger', run: () => operation(`/v1/hosts/${host.id}/quarantine`, t('host.quarantine')) },
  diagnose: { label: t('diagnose'), run: () => operation(`/v1/hosts/${host.id}/diagnose`, t('diagnose')) },
});

// An agent in quarantine promotes again once a person has looked; one that is revoked is believed no more.
const AgentButtons = ({ agent, host, reload }) => {
  const revoking = useSignal(false);
  const move = (verb) => async () => { await post(/** @type {any} */ (`/v1/agents/${agent.id}/${verb}`)); toast(t('saved')); await reload(); };
  if (!has('support_engineer', 'support_lead', 'operator')) return null;
  return html`<div class="actions">${agent.state === 'quarantined' && html`<${Action} label=${t('agent.release')} onPress=${move('release')}/>`}<button type="button" class="danger" onClick=${() => { revoking.value = true; }}>${t('agent.revoke')}</button></div>
    ${revoking.value && html`<${TypedConfirm} title=${t('agent.revoke')} text=${t('agent.revoke.text')} name=${host.name} label=${t('agent.revoke')} onYes=${move('revoke')} onClose=${() => { revoking.value = false; }}/>`}`;
};

export const Host = ({ id }) => {
  const host = useData(`/v1/hosts/${id}`, ['host.', 'agent.']);
  const facts = useData(`/v1/hosts/${id}/facts`, ['host.']);
  const agents = useData(`/v1/agents?host_id=${id}&limit=20`, ['agent.']);
  const told = facts.data.value?.facts || {};
  const agent = (agents.data.value?.data || []).find((a) => ['active', 'quarantined'].includes(a.state));
  return html`<${Loaded} page of=${host}>${(h) => html`<div class="bar"><h1>${h.name}</h1><${State} value=${h.state}/></div><${Operations} object=${h} ops=${verbs(h)}/>
    ${agent?.state === 'quarantined' && html`<p class="note warning" role="alert">${agent.alarm}</p>`}
    <div class="grid"><${Panel} title=${t('facts')}><${Facts} rows=${[[t('hypervisor'), told.hypervisor_version || word('hypervisor', h.hypervisor)], [t('os'), told.os], [t('cpus'), told.cpu_count ?? h.cpu_count], [t('memory'), bytes(told.memory_bytes ?? h.memory_bytes)], [t('memory.free'), bytes(told.memory_free_bytes)], [t('accelerator'), told.accelerator], [t('observed'), facts.data.value ? html`<${Ago} at=${facts.data.value.observed_at}/>` : null]]}/></${Panel}>
    <${Panel} title=${t('agent')}>${agent ? html`<${Facts} rows=${[[t('state'), html`<${State} value=${agent.connected ? 'connected' : 'lost'} tone=${agent.connected ? 'ok' : 'bad'}/>`], [t('version'), agent.agent_version], [t('last-seen'), html`<${Ago} at=${agent.last_seen_at}/>`], [t('host.certificate'), html`<${When} at=${agent.certificate_expires_at}/>`], [t('host.promote'), agent.may_promote ? t('yes') : t('no')]]}/><${AgentButtons} agent=${agent} host=${h} reload=${agents.reload}/>` : html`<${Empty} title=${t('host.no-agent')} text=${t('host.no-agent.text')}><a class="button" href="/app/sites">${t('page.sites')}</a></${Empty}>`}</${Panel}></div>
    <${Fence} host=${h}/><${Surroundings} told=${told}/><${Figures} of=${`/v1/hosts/${id}`}/>
    <${Panel} title=${t('vms')}><${List} path="/v1/vms" topics=${['vm.']} fixed=${{ host_id: id, sort: 'name' }} open=${(vm) => `/app/vms/${vm.id}`} columns=${[{ label: t('vm'), cell: (vm) => html`<a href=${`/app/vms/${vm.id}`}>${vm.name}</a>` }, { label: t('power'), cell: (vm) => html`<${State} group="power" value=${vm.power}/>` }, { label: t('role'), cell: (vm) => html`<${State} group="dr_role" value=${vm.dr_role}/>` }, { label: t('cpus'), num: true, cell: (vm) => vm.vcpus ?? '' }, { label: t('memory'), num: true, cell: (vm) => bytes(vm.memory_bytes) }]}/></${Panel}>`}</${Loaded}>`;
};
