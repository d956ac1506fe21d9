// SPDX-License-Identifier: Apache-2.0
// Instants and durations in people's words. Zone: the person's own, else the browser's; or UTC when the clock says so.
import { clock, me } from './store.js';
import { t } from './i18n.js';

export const zone = () => (clock.value === 'utc' ? 'UTC' : me.value?.time_zone || Intl.DateTimeFormat().resolvedOptions().timeZone);

const format = (iso, options, timeZone) => new Intl.DateTimeFormat('en-GB', { ...options, timeZone }).format(new Date(iso));
export const dateTime = (iso, tz = zone()) => (iso ? format(iso, { day: '2-digit', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit' }, tz) : '');
export const timeOnly = (iso, tz = zone()) => (iso ? format(iso, { hour: '2-digit', minute: '2-digit', second: '2-digit' }, tz) : '');
export const dayOnly = (iso, tz = zone()) => (iso ? format(iso, { day: '2-digit', month: 'short', year: 'numeric' }, tz) : '');

/** The day of an instant on the person's clock: "2026-11-25". @param {string} iso */
export const dayKey = (iso, tz = zone()) => new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeZone: tz }).format(new Date(iso));

const clockAt = (at, timeZone) => Date.parse(`${new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium', timeZone }).format(at).replace(' ', 'T')}Z`);
/** "2026-12-01T06:00", as it is typed into a field, on the clock of a zone -> the instant, as the API wants it. @param {string} typed */
export const instant = (typed, tz = zone()) => {
  const wanted = Date.parse(`${typed}Z`);
  let at = wanted;
  for (let i = 0; i < 2; i += 1) at += wanted - clockAt(at, tz); // the second time for hours in which clocks change
  return new Date(at).toISOString();
};

/** 90 -> "1 min 30 s"; null -> "unknown". @param {number|null|undefined} seconds */
export const duration = (seconds) => {
  if (seconds === null || seconds === undefined) return t('unknown');
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t('duration.s', { s });
  if (s < 3600) return s % 60 ? t('duration.ms', { m: Math.floor(s / 60), s: s % 60 }) : t('duration.m', { m: s / 60 });
  const [d, h, m] = [Math.floor(s / 86400), Math.floor((s % 86400) / 3600), Math.floor((s % 3600) / 60)];
  if (!d) return m ? t('duration.hm', { h, m }) : t('duration.h', { h });
  return h ? t('duration.dh', { d, h }) : t('duration.d', { d });
};
export const ago = (iso, now = Date.now()) => (iso ? t('ago', { time: duration((now - Date.parse(iso)) / 1000) }) : t('never'));
/** 1536 -> "1.5 KiB". @param {number|null|undefined} n */
export const bytes = (n) => {
  if (n === null || n === undefined) return t('unknown');
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let i = 0;
  let v = n;
  while (v >= 1024 && i < units.length - 1) { v /= 1024; i += 1; }
  return `${v >= 100 || i === 0 ? Math.round(v) : v.toFixed(1)} ${units[i]}`;
};
