// SPDX-License-Identifier: Apache-2.0
// While somebody confirms who they are, the session's secret changes: what another request, page or worker sent with the
// old one just then is refused. Such a one waits here until the new one is there.
let chain = Promise.resolve();
const inThisPage = (_mode, run) => {
  const mine = chain.then(run);
  chain = mine.then(() => {}, () => {});
  return mine;
};
const inThisBrowser = (mode, run) => navigator.locks.request('understudy.step-up', { mode }, run);
const turn = navigator.locks ? inThisBrowser : inThisPage; // plain http has no locks

/** Change the secret: one at a time. @template T @param {() => Promise<T>} run @returns {Promise<T>} */
export const changing = (run) => turn('exclusive', run);
/** Resolves when nobody is changing it. @returns {Promise<void>} */
export const settled = () => turn('shared', async () => {});
