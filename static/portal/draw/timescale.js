// SPDX-License-Identifier: Apache-2.0
// A scale of time on which long waits are cut short, so that what machines did in seconds can be seen beside them.

const merge = (spans) => {
  const found = [];
  for (const [from, to] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = found[found.length - 1];
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else found.push([from, to]);
  }
  return found;
};

/** The pieces of 0..span, each with how much room it gets; what is not busy gets at most a fifth of what is.
 * @param {number[][]} busy pairs of seconds @param {number} span */
const pieces = (busy, span) => {
  const merged = merge(busy.filter(([a, b]) => b >= a).map(([a, b]) => [Math.max(0, a), Math.min(span, b)]));
  const sum = Math.max(10, merged.reduce((s, [a, b]) => s + b - a, 0));
  const list = [];
  const wait = (from, to) => { if (to > from) list.push({ from, to, room: Math.min(to - from, sum / 5), cut: to - from > sum / 5 }); };
  let at = 0;
  for (const [from, to] of merged) {
    wait(at, from);
    list.push({ from, to, room: to - from, cut: false });
    at = to;
  }
  wait(at, span);
  return list;
};

/** total: room of all; at: the place of an instant; cuts: waits that are drawn shorter than they were.
 * @param {number[][]} busy @param {number} span */
export const timescale = (busy, span) => {
  let begin = 0;
  const list = pieces(busy, span).map((p) => {
    const placed = { ...p, begin };
    begin += p.room;
    return placed;
  });
  const at = (s) => {
    const p = list.find((x) => s <= x.to) || list[list.length - 1];
    return p && p.to > p.from ? p.begin + (Math.min(Math.max(s, p.from), p.to) - p.from) / (p.to - p.from) * p.room : p?.begin || 0;
  };
  return { total: Math.max(begin, 1), at, cuts: list.filter((p) => p.cut) };
};
