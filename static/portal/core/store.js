// SPDX-License-Identifier: Apache-2.0
// Who is signed in, and what this browser remembers: theme, zone, face. Everything is a signal.
import { signal, computed, effect } from './html.js';

const kept = (key, first) => {
  const s = signal(localStorage.getItem(key) ?? first);
  effect(() => localStorage.setItem(key, s.value));
  return s;
};

export const me = signal(/** @type {any} */ (undefined)); // undefined = not asked yet; null = nobody
export const theme = kept('us.theme', 'auto');
export const clock = kept('us.clock', 'local');
export const shortcuts = kept('us.shortcuts', 'on');
export const path = signal(location.pathname + location.search);

export const roles = computed(() => new Set((me.value?.roles || []).map((r) => r.role)));
export const has = (...names) => names.some((n) => roles.value.has(n));
export const asking = ['customer_operator', 'customer_approver', 'customer_admin', 'support_agent', 'support_engineer', 'support_lead'];
/** Whether one may open tickets, and so ask for a failover (api/tickets.c); an auditor and a viewer may not. */
export const mayAsk = () => has(...asking);
export const isStaff = computed(() => me.value && !me.value.customer_id);
const faceRoles = {
  customer: ['customer_viewer', 'customer_operator', 'customer_approver', 'customer_admin'],
  support: ['support_agent', 'support_engineer', 'support_lead', 'auditor'],
  admin: ['operator', 'support_lead', 'customer_admin'],
};
export const faces = computed(() => Object.keys(faceRoles).filter((f) => faceRoles[f].some((r) => roles.value.has(r))));

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
