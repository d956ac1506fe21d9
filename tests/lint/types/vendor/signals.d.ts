// SPDX-License-Identifier: Apache-2.0
// What the portal uses of signals.
export interface Signal<T> { value: T; peek(): T; subscribe(told: (value: T) => void): () => void }
export function signal<T>(first: T): Signal<T>;
export function computed<T>(make: () => T): Readonly<Signal<T>>;
export function effect(run: () => void | (() => void)): () => void;
export function batch<T>(run: () => T): T;
export function useSignal<T>(first: T): Signal<T>;
export function useComputed<T>(make: () => T): Readonly<Signal<T>>;
