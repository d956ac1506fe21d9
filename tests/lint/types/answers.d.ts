// SPDX-License-Identifier: Apache-2.0
// From an address as the portal writes it to what the specification says its answer is.
import type { paths } from 'specification';

// an id of whatever type is one part
type Parts<P extends string> = 0 extends 1 & P ? [string] : P extends `${infer A}/${infer B}` ? [A, ...Parts<B>] : [P];
type Plain<P extends string> = P extends `${infer A}?${string}` ? A : P;
type Fits<K, P> = K extends [infer A, ...infer B] ? (P extends [infer C, ...infer D] ? (A extends `{${string}}` ? Fits<B, D> : C extends A ? Fits<B, D> : false) : false) : P extends [] ? true : false;
type Route<P extends string> = { [K in keyof paths & string]: Fits<Parts<K>, Parts<Plain<P>>> extends true ? K : never }[keyof paths & string];
type Json<R> = R extends { content: { 'application/json': infer T } } ? T : never;
type Said<O> = O extends { responses: infer R } ? Json<R[keyof R & (200 | 201 | 202)]> : never;
// An answer has all of its members; a document that the specification does not describe may be anything.
type Whole<T> = T extends (infer U)[] ? Whole<U>[] : keyof T extends never ? any : T extends object ? { -readonly [K in keyof T]-?: Whole<Exclude<T[K], undefined>> } : T;
type Of<K, M> = K extends keyof paths ? (M extends keyof paths[K] ? Said<paths[K][M]> : never) : never;

/** What M (get, post, …) of the address P answers; a mistake where there is no such route. */
export type Answer<P extends string, M extends string> = string extends P ? any : Plain<P> extends `/v1/${string}` ? ([Route<P>] extends [never] ? { 'there is no such route': P } : Whole<Of<Route<P>, M>>) : any;
