// SPDX-License-Identifier: Apache-2.0
// How much one was told and has not seen. One reading at a time: an answer that is late never hides a newer one.
import { signal } from './html.js';
import { get } from './api.js';

export const toldTopics = ['ticket.', 'host.']; // events that people are told of
export const unseenOnes = signal(0);
let reading = false;
let again = false;

export const countUnseen = async () => {
  again = true;
  if (reading) return;
  reading = true;
  while (again) {
    again = false;
    try { unseenOnes.value = (await get('/v1/me/notifications?seen=false&limit=1&count=exact')).total; } catch { /* the next event asks again */ }
  }
  reading = false;
};
