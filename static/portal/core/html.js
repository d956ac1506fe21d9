// SPDX-License-Identifier: Apache-2.0
// What every module of the portal writes its pages with: one import instead of five.
import htm from '../../vendor/htm.js';
import { h, Fragment } from '../../vendor/preact.js';

export { h, Fragment, render, createContext, Component } from '../../vendor/preact.js';
export { useEffect, useLayoutEffect, useMemo, useRef, useState, useCallback, useErrorBoundary } from '../../vendor/hooks.js';
export { signal, computed, effect, batch, useSignal, useComputed } from '../../vendor/signals.js';
export const html = htm.bind(h);
export const none = Fragment;
