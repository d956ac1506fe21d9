// SPDX-License-Identifier: Apache-2.0
// What the portal uses of preact's hooks.
type Effect = () => void | (() => void);
export function useEffect(run: Effect, on?: unknown[]): void;
export function useLayoutEffect(run: Effect, on?: unknown[]): void;
export function useMemo<T>(make: () => T, on?: unknown[]): T;
export function useRef<T>(first: T): { current: T };
export function useState<T>(first: T | (() => T)): [T, (next: T | ((before: T) => T)) => void];
export function useCallback<T>(run: T, on?: unknown[]): T;
export function useErrorBoundary(run?: (error: any) => void): [any, () => void];
