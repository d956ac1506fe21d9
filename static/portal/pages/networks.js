// SPDX-License-Identifier: Apache-2.0
// Networks of sites, and for each what it is at the other sites: for failovers, and for tests.
import { html, useSignal } from '../core/html.js';
import { call } from '../core/api.js';
import { t, word } from '../core/i18n.js';
import { useData } from '../core/live.js';
import { has } from '../core/store.js';
import { NetMap } from '../draw/netmap.js';
import { List } from '../ui/list.js';
import { Choice, Dialog, Empty, Facts, Form, Loaded, Panel, State, toast } from '../ui/parts.js';

const mayChange = () => has('operator', 'support_lead', 'support_engineer', 'support_agent');
const useSites = () => {
  const sites = useData('/v1/sites?limit=200', ['site.']);
  return { list: sites.data.value?.data || [], name: (id) => (sites.data.value?.data || []).find((s) => s.id === id)?.name || t('unknown') };
};
const purposes = ['production', 'test', 'replication', 'management'];
const Purpose = ({ n }) => html`<${State} group="purpose" value=${n.purpose} tone=${n.purpose === 'test' ? 'test' : 'idle'}/>`;

export const Networks = () => {
  const sites = useSites();
  return html`<div class="bar"><h1>${t('page.networks')}</h1></div><p class="muted">${t('networks.text')}</p>
    <${List} path="/v1/networks" customers topics=${['network.']} open=${(n) => `/app/networks/${n.id}`} filters=${[{ name: 'purpose', label: t('purpose'), options: purposes.map((p) => [p, word('purpose', p)]) }, { name: 'site_id', label: t('site'), options: sites.list.map((s) => [s.id, s.name]) }]} columns=${[
      { label: t('name'), sort: 'name', cell: (n) => html`<a href=${`/app/networks/${n.id}`}>${n.name}</a>` }, { label: t('site'), cell: (n) => sites.name(n.site_id) }, { label: t('purpose'), cell: (n) => html`<${Purpose} n=${n}/>` },
      { label: t('vlan'), num: true, cell: (n) => n.vlan ?? '' }, { label: t('switch'), cell: (n) => html`<span class="mono">${n.switch_name || ''}</span>` }, { label: t('isolated'), cell: (n) => (n.isolated ? t('yes') : t('no')) }]}
      empty=${html`<${Empty} title=${t('networks.none')} text=${t('networks.none.text')}/>`}/>`;
};

const Edit = ({ network, entries, sites, networks, onClose, done }) => {
  const others = sites.filter((s) => s.id !== network.site_id);
  const chosen = useSignal(Object.fromEntries(others.map((s) => {
    const e = entries.find((x) => x.target_site_id === s.id) || {};
    return [s.id, { real: e.real_network_id || '', test: e.test_network_id || '' }];
  })));
  const options = (site, kind) => [['', t('netmap.none')], ...networks.filter((n) => n.site_id === site.id && (n.purpose === 'test') === (kind === 'test')).map((n) => [n.id, n.name])];
  const set = (site, kind) => ({ get value() { return chosen.value[site.id][kind]; }, set value(v) { chosen.value = { ...chosen.value, [site.id]: { ...chosen.value[site.id], [kind]: v } }; } });
  const body = () => others.map((s) => ({ target_site_id: s.id, real_network_id: chosen.value[s.id].real || null, test_network_id: chosen.value[s.id].test || null })).filter((e) => e.real_network_id || e.test_network_id);
  return html`<${Dialog} title=${t('netmap.change', { name: network.name })} onClose=${onClose}><${Form} label=${t('save')} send=${() => call('PUT', `/v1/networks/${network.id}/failover-map`, { entries: body() }, { match: network.version })} done=${() => { toast(t('saved')); onClose(); done(); }}>${() => others.map((s) => html`<fieldset key=${s.id}><legend>${s.name}</legend>
    ${['real', 'test'].map((kind) => html`<${Choice} id=${`${kind}-${s.id}`} label=${t(`netmap.${kind}`)} value=${set(s, kind)} options=${options(s, kind)}/>`)}</fieldset>`)}</${Form}></${Dialog}>`;
};

export const NetworkMap = ({ id }) => {
  const network = useData(`/v1/networks/${id}`, ['network.']);
  const map = useData(`/v1/networks/${id}/failover-map`, ['network.']);
  const all = useData('/v1/networks?limit=200', ['network.']);
  const sites = useSites();
  const changing = useSignal(false);
  const named = (net) => (all.data.value?.data || []).find((n) => n.id === net)?.name || null;
  return html`<${Loaded} page of=${network}>${(n) => {
    const entries = /** @type {any[]} */ (map.data.value?.entries || []);
    const ends = entries.flatMap((e) => [{ site: sites.name(e.target_site_id), kind: /** @type {'real'} */ ('real'), name: named(e.real_network_id) }, { site: sites.name(e.target_site_id), kind: /** @type {'test'} */ ('test'), name: named(e.test_network_id) }]);
    const may = mayChange() && n.purpose !== 'test' && sites.list.length > 1;
    return html`<div class="bar"><h1>${n.name}</h1><${Purpose} n=${n}/>${may && html`<button class="primary" onClick=${() => { changing.value = true; }}>${t('netmap.button')}</button>`}</div>
      ${changing.value && html`<${Edit} network=${n} entries=${entries} sites=${sites.list} networks=${all.data.value?.data || []} onClose=${() => { changing.value = false; }} done=${() => Promise.all([network.reload(), map.reload()])}/>`}
      <${Panel} title=${t('netmap')}><${Loaded} of=${map}>${() => (ends.length ? html`<${NetMap} from=${{ site: sites.name(n.site_id), name: n.name, vlan: n.vlan ? `${t('vlan')} ${n.vlan}` : '' }} ends=${ends}/>` : html`<${Empty} title=${t('netmap.empty')} text=${t(n.purpose === 'test' ? 'netmap.test-itself' : 'netmap.empty.text')}/>`)}</${Loaded}></${Panel}>
      <${Panel} title=${t('facts')}><${Facts} rows=${[[t('site'), sites.name(n.site_id)], [t('purpose'), word('purpose', n.purpose)], [t('vlan'), n.vlan ?? t('none')], [t('switch'), n.switch_name || t('none')], [t('isolated'), n.isolated ? t('yes') : t('no')], [t('note'), n.note || t('none')]]}/></${Panel}>`;
  }}</${Loaded}>`;
};
