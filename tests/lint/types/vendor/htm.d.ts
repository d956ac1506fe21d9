// SPDX-License-Identifier: Apache-2.0
// What the portal uses of htm.
declare const htm: { bind(h: any): (strings: TemplateStringsArray, ...values: any[]) => any };
export default htm;
