// SPDX-License-Identifier: Apache-2.0
// Follow an operation to its end: say how it ended, and throw what it failed with.
import { Problem, get, post } from '../core/api.js';
import { t } from '../core/i18n.js';
import { toast } from '../ui/parts.js';

/** Wait for the end of what a call began. @param {Promise<any>} begun @param {string} label */
export const follow = async (begun, label) => {
  let op = await begun;
  while (op?.object === 'operation' && !['succeeded', 'failed', 'canceled'].includes(op.state)) op = await get(`/v1/operations/${op.id}?wait=25`);
  if (op?.object === 'operation' && op.state !== 'succeeded') throw new Problem(op.error || { detail: t('operation.canceled') }, op.error?.status || 0);
  toast(t('operation.done', { what: label }));
  return op;
};
/** Begin an operation by a POST and wait for it. @param {string} path @param {string} label @param {any} [body] */
export const operation = (path, label, body = {}) => follow(post(path, body), label);
