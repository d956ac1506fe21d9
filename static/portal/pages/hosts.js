// SPDX-License-Identifier: Apache-2.0
// The hosts of a VM for whoever looks: the part of the topology that it stands in, which its customer may see, too.
import { t } from '../core/i18n.js';
import { useData } from '../core/live.js';

/** name: of a host's id; of: the id of the host that a VM is on. @param {string|undefined} vm */
export const useHosts = (vm) => {
  const data = useData(vm ? `/v1/vms/${vm}/topology` : null, ['host.', 'vm.', 'failover.']);
  const hosts = (data.data.value?.sites || []).flatMap((s) => s.hosts);
  return {
    name: (id) => hosts.find((h) => h.id === id)?.name || t('unknown'),
    of: (id) => hosts.find((h) => h.vms.some((v) => v.id === id))?.id,
  };
};
