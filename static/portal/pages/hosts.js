// SPDX-License-Identifier: Apache-2.0
// The hosts of a VM for whoever looks: the part of the topology that it stands in, which its customer may see, too.
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';

/** name: of a host's id; of: the id of the host that a VM is on; lost: whether that one does not answer. @param {string|string[]|undefined} vm one, or several: then everything is read */
export const useHosts = (vm) => {
  const list = vm === undefined ? [] : [vm].flat();
  const topics = ['host.', 'vm.', 'failover.'];
  const part = useData(list.length === 1 ? `/v1/vms/${list[0]}/topology` : null, topics);
  const whole = useData(list.length > 1 ? '/v1/topology' : null, topics);
  const found = list.length > 1 ? whole.data.value : part.data.value;
  const hosts = (found?.sites || []).flatMap((s) => s.hosts);
  const under = (id) => hosts.find((h) => h.vms.some((v) => v.id === id));
  return {
    name: (id) => hosts.find((h) => h.id === id)?.name || t('unknown'),
    of: (id) => under(id)?.id,
    lost: (id) => ['unreachable', 'fenced'].includes(under(id)?.state),
  };
};
