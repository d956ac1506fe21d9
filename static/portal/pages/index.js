// SPDX-License-Identifier: Apache-2.0
// The table of pages: address, title's key, what loads it. rail: where its link stands; roles: who sees it at all.
import { asking } from '../core/store.js';

const staff = ['support_agent', 'support_engineer', 'support_lead', 'auditor', 'operator'];
const customers = ['customer_viewer', 'customer_operator', 'customer_approver', 'customer_admin'];
const people = ['customer_admin', 'support_lead', 'operator'];

export const pages = [
  { path: '/app', title: 'page.home', rail: 'customer', view: 'Home', load: () => import('./home.js') },
  { path: '/app/protection', title: 'page.protection', rail: 'customer', view: 'Protection', load: () => import('./protection.js') },
  { path: '/app/vms/:id', title: 'page.vm', view: 'Vm', load: () => import('./vm.js') },
  { path: '/app/request', title: 'page.request', roles: asking, view: 'Request', load: () => import('./request.js') },
  { path: '/app/failovers', title: 'page.failovers', rail: 'customer', view: 'Failovers', load: () => import('./failovers.js') },
  { path: '/app/failovers/:id', title: 'page.failover', view: 'Failover', load: () => import('./failovers.js') },
  { path: '/app/plans', title: 'page.plans', rail: 'customer', view: 'Plans', load: () => import('./plans.js') },
  { path: '/app/plans/:id', title: 'page.plan', view: 'Plan', load: () => import('./plans.js') },
  { path: '/app/drills', title: 'page.drills', rail: 'customer', view: 'Drills', load: () => import('./failovers.js') },
  { path: '/app/tickets', title: 'page.tickets', rail: 'customer', view: 'Tickets', load: () => import('./tickets.js') },
  { path: '/app/tickets/new', title: 'tickets.new', roles: asking, view: 'NewTicket', load: () => import('./tickets.js') },
  { path: '/app/tickets/:id', title: 'page.ticket', view: 'Ticket', load: () => import('./tickets.js') },
  { path: '/app/network', title: 'page.network', rail: 'customer', view: 'Network', load: () => import('./network.js') },
  { path: '/app/network/:id', title: 'page.network', view: 'Block', load: () => import('./network.js') },
  { path: '/app/networks', title: 'page.networks', rail: 'customer', view: 'Networks', load: () => import('./networks.js') },
  { path: '/app/networks/:id', title: 'page.networks', view: 'NetworkMap', load: () => import('./networks.js') },
  { path: '/app/queue', title: 'page.queue', rail: 'support', roles: staff, view: 'Queue', load: () => import('./support.js') },
  { path: '/app/approvals', title: 'page.approvals', rail: 'support', roles: [...staff, 'customer_approver', 'customer_admin'], view: 'Approvals', load: () => import('./support.js') },
  { path: '/app/standing-orders', title: 'page.orders', rail: 'customer', roles: [...staff, ...customers], view: 'Orders', load: () => import('./orders.js') },
  { path: '/app/war-room', title: 'page.war', rail: 'support', roles: staff, view: 'War', load: () => import('./support.js') },
  { path: '/app/board', title: 'page.board', rail: 'support', roles: staff, view: 'Board', load: () => import('./support.js') },
  { path: '/app/fleet', title: 'page.fleet', rail: 'support', roles: staff, view: 'Fleet', load: () => import('./fleet.js') },
  { path: '/app/hosts/:id', title: 'page.host', roles: staff, view: 'Host', load: () => import('./fleet.js') },
  { path: '/app/customers', title: 'page.customers', rail: 'support', roles: staff, view: 'Customers', load: () => import('./customers.js') },
  { path: '/app/customers/:id', title: 'page.customer', roles: [...staff, ...customers], view: 'Customer', load: () => import('./customers.js') },
  { path: '/app/overview', title: 'page.overview', rail: 'admin', roles: ['operator', 'support_lead'], view: 'Overview', load: () => import('./admin.js') },
  { path: '/app/users', title: 'page.users', rail: 'admin', roles: people, view: 'Users', load: () => import('./users.js') },
  { path: '/app/programs', title: 'page.programs', rail: 'admin', roles: [...people, 'auditor'], view: 'Programs', load: () => import('./programs.js') },
  { path: '/app/policies', title: 'page.policies', rail: 'admin', roles: people, view: 'Policies', load: () => import('./policies.js') },
  { path: '/app/replication-policies', title: 'page.rpolicies', rail: 'admin', roles: staff, view: 'ReplicationPolicies', load: () => import('./replication-policies.js') },
  { path: '/app/macros', title: 'page.macros', rail: 'support', roles: staff, view: 'Macros', load: () => import('./macros.js') },
  { path: '/app/desk', title: 'page.desk', rail: 'admin', roles: staff, view: 'Desk', load: () => import('./desk.js') },
  { path: '/app/sites', title: 'page.sites', rail: 'admin', roles: ['operator', 'support_lead', 'support_engineer'], view: 'Sites', load: () => import('./sites.js') },
  { path: '/app/audit', title: 'page.audit', rail: 'admin', roles: ['operator', 'support_lead', 'auditor', 'customer_admin'], view: 'Audit', load: () => import('./admin.js') },
  { path: '/app/backup', title: 'page.backup', rail: 'admin', roles: ['operator', 'support_lead', 'auditor'], view: 'Backup', load: () => import('./admin.js') },
  { path: '/app/notifications', title: 'page.notifications', view: 'Notifications', load: () => import('./notifications.js') },
  { path: '/app/device', title: 'page.device', view: 'Device', load: () => import('./device.js') },
  { path: '/app/settings', title: 'page.settings', rail: 'customer', view: 'Settings', load: () => import('./settings.js') },
];
