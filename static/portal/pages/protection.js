// SPDX-License-Identifier: Apache-2.0
// All VMs and how each is protected.
import { html } from '../core/html.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { duration } from '../core/time.js';
import { isStaff } from '../core/store.js';
import { Topology } from '../draw/topology.js';
import { Ago, Empty, Loaded, Panel, State } from '../ui/parts.js';
import { List } from '../ui/list.js';

/** The replications that the caller sees, live. */
export const protectionOf = () => ({ list: useData('/v1/replications?limit=200', ['replication.', 'recovery_point.'], { all: true }) });

export const Rpo = ({ r }) => {
  if (!r) return html`<span class="muted">${t('none')}</span>`;
  if (r.rpo_measured_seconds === null || r.rpo_measured_seconds === undefined) return html`<span class="idle">${t('unknown')}</span>`;
  const over = r.rpo_target_seconds && r.rpo_measured_seconds > r.rpo_target_seconds;
  return html`<span class=${`num ${over ? 'bad' : ''}`}>${over ? '■ ' : ''}${duration(r.rpo_measured_seconds)} <span class="muted">/ ${duration(r.rpo_target_seconds)}</span></span>`;
};

const byName = (a, b) => a.name.localeCompare(b.name);
/** Where the machines of whoever looks are: sites, hosts, how many of them stand there and how many are copied to there. */
export const Where = ({ title, only = () => true }) => {
  const data = useData('/v1/topology', ['vm.', 'host.', 'replication.']);
  const copies = (h) => (data.data.value?.replications || []).filter((r) => r.target_host_id === h.id).length;
  const text = (h) => t('where.counts', { vms: h.vms.length, copies: copies(h) });
  const drawn = (data.data.value?.sites || []).map((s) => ({ name: s.name, hosts: s.hosts.filter(only).map((h) => ({ ...h, text: text(h) })).sort(byName) })).filter((s) => s.hosts.length);
  if (data.data.value && !drawn.length) return null;
  return html`<${Panel} title=${title}><${Loaded} of=${data}>${() => html`<${Topology} sites=${drawn} links=${isStaff.value}/>`}</${Loaded}></${Panel}>`;
};

export const Protection = () => {
  const { list } = protectionOf();
  const legs = list.data.value?.data || [];
  const of = (vm, leg) => legs.find((r) => r.vm_id === vm.id && (leg === 'extended') === (r.leg === 'extended'));
  // what has not been read is not said to be missing
  const without = !list.data.value || list.data.value.has_more ? 'unknown' : 'unprotected';
  return html`<div class="bar"><h1>${t('page.protection')}</h1></div>
    <${List} path="/v1/vms" customers fixed=${{ sort: 'name' }} topics=${['vm.']} open=${(vm) => `/app/vms/${vm.id}`} filters=${[
      { name: 'power', label: t('power'), options: ['running', 'off', 'paused', 'saved', 'unknown'].map((p) => [p, word('power', p)]) },
      { name: 'dr_role', label: t('role'), options: ['unprotected', 'primary', 'replica', 'displaced'].map((p) => [p, word('dr_role', p)]) }]} columns=${[
      { label: t('vm'), sort: 'name', under: true, cell: (vm) => html`<a href=${`/app/vms/${vm.id}`}>${vm.name}</a>` },
      { label: t('power'), cell: (vm) => html`<${State} group="power" value=${vm.power}/>` },
      { label: t('protection'), cell: (vm) => html`<${State} value=${of(vm)?.state || without}/>` },
      { label: t('rpo'), cell: (vm) => html`<${Rpo} r=${of(vm)}/>` },
      { label: t('extended'), cell: (vm) => (of(vm, 'extended') ? html`<${State} value=${of(vm, 'extended').state}/>` : html`<span class="muted">${t('none')}</span>`) },
      { label: t('observed'), cell: (vm) => html`<${Ago} at=${vm.observed_at}/>` },
    ]} empty=${html`<${Empty} title=${t('protection.none')} text=${t('protection.none.text')}/>`}/><br/>${!isStaff.value && html`<${Where} title=${t('where')}/>`}`;
};
