// SPDX-License-Identifier: Apache-2.0
// What the portal uses of preact.
export const h: (...of: any[]) => any;
export const Fragment: any;
export function render(what: any, into: Element | null): void;
export function createContext<T>(standard: T): any;
export class Component {}
